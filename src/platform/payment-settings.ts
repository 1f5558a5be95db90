/** The settings of the payment providers: accounts, keys and addresses. */
import * as v from 'valibot';
import { type Definition, duration, text, webAddress } from './setting.ts';

/** What a transfer must tell for its scene: `岗位类型=推广员,报酬说明=佣金`. */
const report = v.pipe(
  v.string(),
  v.transform((value) => value.split(',').map((part) => part.split('=').map((side) => side.trim()))),
  v.check((parts) => parts.every((part) => part.length === 2 && part.every((side) => side !== ''))),
  v.transform((parts) => parts.map(([kind, content]) => ({ info_type: `${kind}`, info_content: `${content}` }))),
);

export const paymentSettings = {
  TIDEMARK_NOTICE_URL: {
    expects: 'the address under which payment providers reach your program, /alipay and /wechat below it',
    example: 'https://pay.example.com/notices',
    schema: webAddress,
  },
  TIDEMARK_PROVIDER_TIMEOUT: {
    expects: 'a duration of 100ms or more: how long an answer of a payment provider is waited for',
    example: '10s',
    fallback: '10s',
    schema: duration(100),
  },
  TIDEMARK_ALIPAY_APP_ID: { expects: 'the id of your app at Alipay', example: '2021000000000000', schema: text },
  TIDEMARK_ALIPAY_KEY_FILE: {
    expects: "the file of your app's private key",
    example: '/etc/tidemark/alipay-app-key.pem',
    schema: text,
  },
  TIDEMARK_ALIPAY_PUBLIC_KEY_FILE: {
    expects: "the file of Alipay's public key, or of its certificate (not your app's own)",
    example: '/etc/tidemark/alipay-public-key.pem',
    schema: text,
  },
  TIDEMARK_ALIPAY_CERT_FILE: {
    expects: "the file of your app's certificate, for an app that signs with certificates",
    example: '/etc/tidemark/appCertPublicKey.crt',
    schema: text,
  },
  TIDEMARK_ALIPAY_ROOT_CERT_FILE: {
    expects: "the file of Alipay's root certificates, for an app that signs with certificates",
    example: '/etc/tidemark/alipayRootCert.crt',
    schema: text,
  },
  TIDEMARK_ALIPAY_GATEWAY: {
    expects: "the address of Alipay's gateway",
    example: 'https://openapi.alipay.com/gateway.do',
    fallback: 'https://openapi.alipay.com/gateway.do',
    schema: webAddress,
  },
  TIDEMARK_WECHAT_MERCHANT_ID: { expects: 'your merchant number at WeChat Pay', example: '1900000001', schema: text },
  TIDEMARK_WECHAT_APP_ID: { expects: 'the id of your app at WeChat', example: 'wx0123456789abcdef', schema: text },
  TIDEMARK_WECHAT_KEY_FILE: {
    expects: "the file of the merchant's private key",
    example: '/etc/tidemark/apiclient_key.pem',
    schema: text,
  },
  TIDEMARK_WECHAT_KEY_SERIAL: {
    expects: "the serial number of the merchant's certificate, in hexadecimal",
    example: '5157F09EFDC096DE15EBE81A47057A7232F1B8E1',
    schema: v.pipe(v.string(), v.regex(/^[0-9A-Fa-f]+$/)),
  },
  TIDEMARK_WECHAT_PUBLIC_KEY_FILE: {
    expects: "the file of WeChat Pay's public key, or of its platform certificate",
    example: '/etc/tidemark/wechat-public-key.pem',
    schema: text,
  },
  TIDEMARK_WECHAT_PUBLIC_KEY_ID: {
    expects: "the id of that key, or the certificate's serial number",
    example: 'PUB_KEY_ID_0119000000012024101100000000000001',
    schema: text,
  },
  TIDEMARK_WECHAT_SECRET: {
    expects: 'the APIv3 key, 32 characters',
    example: '0123456789abcdef0123456789abcdef',
    secret: 'whole',
    schema: v.pipe(v.string(), v.regex(/^[\x21-\x7e]{32}$/)),
  },
  TIDEMARK_WECHAT_GATEWAY: {
    expects: "the address of WeChat Pay's interface",
    example: 'https://api.mch.weixin.qq.com/',
    fallback: 'https://api.mch.weixin.qq.com/',
    schema: webAddress,
  },
  TIDEMARK_WECHAT_TRANSFER_SCENE: {
    expects: 'the number of the scene that your transfers are registered for at WeChat Pay',
    example: '1005',
    fallback: '1005',
    schema: v.pipe(v.string(), v.regex(/^\d{1,36}$/)),
  },
  TIDEMARK_WECHAT_TRANSFER_REPORT: {
    expects: 'what a transfer of that scene must tell: kind=content, with commas between',
    example: '岗位类型=推广员,报酬说明=佣金',
    fallback: '岗位类型=推广员,报酬说明=佣金',
    schema: report,
  },
} satisfies Record<string, Definition>;
