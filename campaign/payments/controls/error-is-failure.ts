import { begin, type Control, note, settle, transferOf } from './payer.ts';

/** Wrong: an error, a timeout or a false signature is taken for a failure: the money goes back to the wallet. */
export const errorIsFailure: Control = async (payer, wanted) => {
  await note(payer, wanted);
  await begin(payer, wanted);
  const { state } = await payer.provider.transfer(transferOf(wanted));
  await settle(payer, wanted, state === 'unknown' ? 'failed' : state);
};
