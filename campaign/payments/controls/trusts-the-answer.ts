import { begin, type Control, note, settle, transferOf } from './payer.ts';

/** Wrong: a provider that has taken the request is believed to have paid. */
export const trustsTheAnswer: Control = async (payer, wanted) => {
  await note(payer, wanted);
  await begin(payer, wanted);
  const { state } = await payer.provider.transfer(transferOf(wanted));
  if (state === 'pending') await settle(payer, wanted, 'paid');
  else await settle(payer, wanted, state);
};
