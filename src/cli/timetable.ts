/** What this installation starts by itself, by its settings. */
import type { Config } from '../platform/config.ts';
import { type DatabaseName, databaseSettings, type SettingName } from '../platform/settings.ts';
import { type Entry, timetableOf } from '../schedule/timetable.ts';
import { type App, jobsInUse } from './app.ts';

const channels: readonly SettingName[] = [
  'TIDEMARK_ALARM_WEBHOOK',
  'TIDEMARK_ALARM_DINGTALK',
  'TIDEMARK_ALARM_WECOM',
  'TIDEMARK_ALARM_SLACK',
  'TIDEMARK_ALARM_MAIL_TO',
  'TIDEMARK_ALARM_COMMAND',
];

/** @returns the entries, and the settings for want of which there are not more */
export function timetableFor(app: App, config: Config): { entries: Entry[]; missing: string[] } {
  // Without the other databases nothing runs at all: who asks before the settings are there wants to see what will.
  const absent: DatabaseName[] = config.get(databaseSettings.ledger) === undefined ? ['ledger'] : [];
  const hasChannel = channels.some((name) => config.get(name) !== undefined);
  // `migrate` makes the tables of a database that some job works in, and a chore has nothing to do in another.
  const isInUse = (name: DatabaseName) => name === 'main' || app.jobs.some(({ target }) => target === name);
  const chores = (app.chores ?? []).filter(({ database }) => database === undefined || isInUse(database));
  const ofUse = chores.filter(({ needsChannel }) => needsChannel !== true || hasChannel);
  return {
    entries: timetableOf(jobsInUse(app, config), ofUse, absent),
    missing: [
      ...(absent.length === 0 ? [] : [databaseSettings.ledger]),
      ...(ofUse.length === chores.length ? [] : ['a channel for alarms (TIDEMARK_ALARM_…, docs/alarms.md)']),
    ],
  };
}
