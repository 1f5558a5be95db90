/** A deed with what goes wrong about it: done or not, answered truly, falsely or not at all. */
import type { Fault } from './faults.ts';
import type { Deed, Sent } from './protocol.ts';

/** @returns what goes over the wire; `silence`: nothing, and the connection stays open; `reset`: it is broken off */
export function perform(deed: Deed, fault: Fault | null): Sent | 'silence' | 'reset' {
  if (fault === 'timeout-before') return 'silence';
  if (fault === 'reset-before') return 'reset';
  if (fault === 'limited') return deed.limited();
  if (fault === 'unsigned-404') return deed.unsigned404();
  if (fault === 'error-before') return badGateway;
  if (fault === 'false-success') return deed.render((deed.feign ?? deed.do)(), 'right');
  if (fault === 'false-failure') return deed.render((deed.deny ?? deed.do)(), 'right');
  if (fault === 'late-address') return deed.render((deed.late ?? deed.do)(), 'right');
  if (fault === 'damaged-bill') return deed.render((deed.damaged ?? deed.do)(), 'right');
  const said = deed.do();
  if (fault === null) return deed.render(said, 'right');
  if (fault === 'timeout-after') return 'silence';
  if (fault === 'reset-after') return 'reset';
  if (fault === 'error-after') return badGateway;
  if (fault === 'malformed') return half(deed.render(said, 'right'));
  return deed.render(deed.lie(), fault === 'bad-signature' ? 'wrong' : 'none');
}

const badGateway: Sent = { status: 502, headers: { 'content-type': 'text/html' }, body: '<h1>502 Bad Gateway</h1>' };

function half(sent: Sent): Sent {
  return { ...sent, body: sent.body.slice(0, sent.body.length / 2) };
}
