# tidemark with its daemon, which starts every job at its time:
#
#   docker build -t tidemark .
#   docker run --env-file .env tidemark migrate          tables first, and after each update
#   docker run --env-file .env tidemark                  the daemon; two of them, on two hosts, share the work
#   docker run --env-file .env tidemark status           any other command
#
# SIGTERM (docker stop) lets the windows in hand come to their end, which takes a few seconds.

FROM node:20-bookworm-slim AS build
WORKDIR /opt/tidemark
COPY package.json package-lock.json ./
RUN npm ci --no-fund --no-audit
COPY . .
RUN npm run build && npm prune --omit=dev

FROM node:20-bookworm-slim
ENV NODE_ENV=production
COPY --from=build /opt/tidemark/package.json /opt/tidemark/package.json
COPY --from=build /opt/tidemark/bin /opt/tidemark/bin
COPY --from=build /opt/tidemark/dist /opt/tidemark/dist
COPY --from=build /opt/tidemark/node_modules /opt/tidemark/node_modules
COPY --from=build /opt/tidemark/docs /opt/tidemark/docs
RUN ln -s /opt/tidemark/bin/tidemark /usr/local/bin/tidemark \
  && install -d -o node -g node /var/lib/tidemark /var/lib/tidemark/runs
# The logs of runs: a volume here keeps them.
ENV TIDEMARK_RUN_LOGS=/var/lib/tidemark/runs
USER node
WORKDIR /var/lib/tidemark
STOPSIGNAL SIGTERM
# 200 while schedules are alive; what is late is in its body, and no reason to start anew.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.TIDEMARK_DAEMON_PORT || 9464}/healthz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
EXPOSE 9464
ENTRYPOINT ["tidemark"]
CMD ["daemon"]
