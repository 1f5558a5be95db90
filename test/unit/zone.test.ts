import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Instant, Zone } from '../../src/engine/zone.ts';

const shanghai = new Zone('Asia/Shanghai');
const berlin = new Zone('Europe/Berlin');
const at = (text: string): Instant => Date.parse(text);
const iso = (instant: Instant | null) => (instant === null ? null : new Date(instant).toISOString());
const hourMs = 3_600_000;

describe('text of an instant and back', () => {
  test('is the time on the clocks of the zone, to the second', () => {
    expect(shanghai.text(at('2026-11-20T02:00:00Z'))).toBe('2026-11-20 10:00:00');
    expect(shanghai.text(at('2026-11-20T02:00:00.999Z'))).toBe('2026-11-20 10:00:00');
    expect(shanghai.fromText('2026-11-20 10:00:00')).toBe(at('2026-11-20T02:00:00Z'));
    expect(shanghai.iso(at('2026-11-20T02:00:00Z'))).toBe('2026-11-20T10:00:00+08:00');
  });

  test('a fraction of a second in the column is cut off', () => {
    expect(shanghai.fromText('2026-11-20 10:00:00.999999')).toBe(at('2026-11-20T02:00:00Z'));
  });

  test.each([
    null,
    '',
    '0000-00-00 00:00:00',
    '0000-00-00 00:00:00.000000',
    '2026-00-20 10:00:00',
    '2026-11-00 10:00:00',
    '2026-02-30 10:00:00',
    '2026-11-20 25:00:00',
    '2026-11-20',
    'yesterday',
  ])('%j is no instant', (text) => expect(shanghai.fromText(text)).toBeNull());

  test('in a repeated hour the earlier instant is meant', () => {
    expect(iso(berlin.fromText('2026-10-25 02:30:00'))).toBe('2026-10-25T00:30:00.000Z');
    expect(iso(berlin.fromText('2026-10-25 03:00:00'))).toBe('2026-10-25T02:00:00.000Z');
  });

  test('in a skipped hour the instant at which it was skipped is meant', () => {
    for (const text of ['2026-03-29 02:00:00', '2026-03-29 02:30:00', '2026-03-29 02:59:59', '2026-03-29 03:00:00'])
      expect(iso(berlin.fromText(text))).toBe('2026-03-29T01:00:00.000Z');
    expect(iso(berlin.fromText('2026-03-29 01:59:59'))).toBe('2026-03-29T00:59:59.000Z');
  });

  test('in a skipped day the instant at which it was skipped is meant', () => {
    const apia = new Zone('Pacific/Apia');
    for (const text of ['2011-12-30 00:00:00', '2011-12-30 15:00:00', '2011-12-31 00:00:00'])
      expect(iso(apia.fromText(text))).toBe('2011-12-30T10:00:00.000Z');
  });
});

describe('borders', () => {
  const [first, second, unique] = ['2026-10-25T00:00:00Z', '2026-10-25T01:00:00Z', '2026-10-25T02:00:00Z'].map(at) as [
    Instant,
    Instant,
    Instant,
  ];

  test('are the whole seconds, where no hour is repeated', () => {
    const ten = at('2026-11-20T02:00:00Z');
    expect([ten, ten + 1, ten + 999].map((instant) => shanghai.border(instant))).toEqual([ten, ten, ten]);
    expect([ten, ten + 1, ten + 999].map((instant) => shanghai.borderAfter(instant))).toEqual([
      ten + 1000,
      ten + 1000,
      ten + 1000,
    ]);
  });

  test('never lie inside a repeated hour; its first start and the end of its second round are borders', () => {
    for (const inside of [first + 1000, second - 1000, second, second + 1000, unique - 1, unique - 1000]) {
      expect(iso(berlin.border(inside))).toBe(iso(first));
      expect(iso(berlin.borderAfter(inside))).toBe(iso(unique));
    }
    expect(berlin.border(first)).toBe(first);
    expect(berlin.border(first - 1)).toBe(first - 1000);
    expect(berlin.borderAfter(first - 1)).toBe(first);
    expect(berlin.borderAfter(first)).toBe(unique);
    expect(berlin.border(unique)).toBe(unique);
  });

  test('lie on both sides of a skipped hour without a gap', () => {
    const jump = at('2026-03-29T01:00:00Z');
    expect(berlin.borderAfter(jump - 1000)).toBe(jump);
    expect(berlin.border(jump)).toBe(jump);
    expect(berlin.text(jump - 1000)).toBe('2026-03-29 01:59:59');
    expect(berlin.text(jump)).toBe('2026-03-29 03:00:00');
  });

  test('in Shanghai keep out of the hours that were repeated each September from 1986 to 1991', () => {
    const back = ['1986-09-14', '1987-09-13', '1988-09-11', '1989-09-17', '1990-09-16', '1991-09-15'];
    for (const day of back) {
      const jump = at(`${day}T01:00:00+08:00`);
      expect(shanghai.text(jump - 1000)).toBe(`${day} 01:59:59`);
      expect(shanghai.text(jump)).toBe(`${day} 01:00:00`);
      expect(shanghai.border(jump)).toBe(jump - hourMs);
      expect(shanghai.borderAfter(jump)).toBe(jump + hourMs);
      expect(shanghai.fromText(`${day} 01:30:00`)).toBe(jump - hourMs / 2);
    }
  });

  test('in Shanghai are all whole seconds ever since', () => {
    const instants = fc.integer({ min: at('1992-01-01T00:00:00Z'), max: at('2040-01-01T00:00:00Z') });
    fc.assert(fc.property(instants, (instant) => shanghai.border(instant) === Math.floor(instant / 1000) * 1000));
  });
});

describe('hours and days', () => {
  test('the hour of a border is the one on the clock', () => {
    expect(iso(shanghai.hour(at('2026-11-20T02:59:59Z')))).toBe('2026-11-20T02:00:00.000Z');
    expect(iso(shanghai.hour(at('2026-11-20T02:00:00Z')))).toBe('2026-11-20T02:00:00.000Z');
    expect(iso(new Zone('Asia/Kolkata').hour(at('2026-11-20T02:00:00Z')))).toBe('2026-11-20T01:30:00.000Z');
  });

  test('a repeated hour is one hour, twice as long', () => {
    const start = at('2026-10-25T00:00:00Z');
    for (const minutes of [0, 30, 60, 90, 119]) expect(berlin.hour(start + minutes * 60_000)).toBe(start);
    expect(berlin.hour(start + 2 * hourMs)).toBe(start + 2 * hourMs);
  });

  test('an hour of which the clocks skip the first half begins where they go on', () => {
    const lordHowe = new Zone('Australia/Lord_Howe');
    const jump = at('2026-10-03T15:30:00Z');
    expect(lordHowe.text(jump)).toBe('2026-10-04 02:30:00');
    expect(iso(lordHowe.hour(jump + 60_000))).toBe(iso(jump));
  });

  test.each([
    ['2026-03-28', '2026-03-29', 24],
    ['2026-03-29', '2026-03-30', 23],
    ['2026-10-25', '2026-10-26', 25],
  ])('the day from %s to %s has its own length', (day, next, hours) => {
    expect((berlin.parse(next) as number) - (berlin.parse(day) as number)).toBe(hours * hourMs);
  });
});

describe('a time that a person typed', () => {
  test.each([
    ['2026-11-20T10:00:00+08:00', '2026-11-20T02:00:00.000Z'],
    ['2026-11-20T02:00:00Z', '2026-11-20T02:00:00.000Z'],
    ['2026-11-20t02:00:00z', '2026-11-20T02:00:00.000Z'],
    ['2026-11-20 10:00 +08:00', '2026-11-20T02:00:00.000Z'],
    ['2026-11-19T21:00:00-0500', '2026-11-20T02:00:00.000Z'],
  ])('with an offset is that instant: %s', (text, expected) => {
    expect(iso(shanghai.parse(text))).toBe(expected);
    expect(iso(berlin.parse(text))).toBe(expected);
  });

  test.each([
    ['2026-11-20T10:00:00', '2026-11-20T02:00:00.000Z'],
    ['2026-11-20 10:00:00', '2026-11-20T02:00:00.000Z'],
    ['2026-11-20 10:00', '2026-11-20T02:00:00.000Z'],
    ['  2026-11-20 10:00  ', '2026-11-20T02:00:00.000Z'],
    ['2026-11-20', '2026-11-19T16:00:00.000Z'],
    ['2026-11', '2026-10-31T16:00:00.000Z'],
    ['2028-02-29', '2028-02-28T16:00:00.000Z'],
  ])('without an offset is in the zone: %s', (text, expected) => expect(iso(shanghai.parse(text))).toBe(expected));

  test('in a repeated hour is the earlier one, unless an offset says otherwise', () => {
    expect(iso(berlin.parse('2026-10-25 02:30'))).toBe('2026-10-25T00:30:00.000Z');
    expect(iso(berlin.parse('2026-10-25 02:30+02:00'))).toBe('2026-10-25T00:30:00.000Z');
    expect(iso(berlin.parse('2026-10-25 02:30+01:00'))).toBe('2026-10-25T01:30:00.000Z');
    expect(iso(berlin.parse('2026-10-25t02:30:00+01:00'))).toBe('2026-10-25T01:30:00.000Z');
  });

  test('just before a skipped hour is what it says, also where the zone has another offset today', () => {
    const khandyga = new Zone('Asia/Khandyga');
    expect(iso(khandyga.parse('2005-03-27 01:59:59'))).toBe('2005-03-26T15:59:59.000Z');
    expect(iso(khandyga.parse('2005-03-27 03:00:00'))).toBe('2005-03-26T16:00:00.000Z');
  });

  test('keeps its fraction of a second, so that what asks for whole seconds can refuse it', () => {
    expect(iso(shanghai.parse('2026-11-20 10:00:00.5'))).toBe('2026-11-20T02:00:00.500Z');
    expect(iso(shanghai.parse('2026-11-20T10:00:00.25+08:00'))).toBe('2026-11-20T02:00:00.250Z');
    expect(iso(shanghai.parse('2026-11-20 10:00:00.000'))).toBe('2026-11-20T02:00:00.000Z');
  });

  test.each(['2026-11-20 10:00:00.0004', '2026-11-20T10:00:00.000001+08:00'])(
    'never loses a fraction, however small: %s is not taken for a whole second',
    (text) => {
      const instant = shanghai.parse(text);
      expect(instant !== null && instant % 1000 === 0).toBe(false);
    },
  );

  test.each(['2026-03-29 02:00', '2026-03-29 02:30', '2026-03-29T02:59:59.999'])(
    '%s never was in Berlin, where the clocks skipped it',
    (text) => {
      expect(iso(berlin.parse(text))).toBeNull();
      expect(shanghai.parse(text)).not.toBeNull();
    },
  );

  test('is the first instant of a day of which midnight was skipped, when only the day is named', () => {
    expect(iso(new Zone('America/Sao_Paulo').parse('2018-11-04'))).toBe('2018-11-04T03:00:00.000Z');
  });

  test.each([
    '',
    'now',
    'yesterday',
    '10:00',
    '1795140000',
    '2026',
    '2026-1-1',
    '26-11-20',
    '2026-13-01',
    '2026-00-10',
    '2026-02-30',
    '2026-02-29 10:00',
    '2026-11-20 10',
    '2026-11-20 24:30',
    '2026-11-20 10:60',
    '2026-11-20 10:00:61',
    '2026-11-20 10:00:00.',
    '2026-11-20  10:00 Shanghai',
    '2026-11-20 10:00+08:00Z',
    '2026-11-20 10:00+25:00',
    '2026-11-20 10:00+08:99',
    '2026-11-20Z',
    '２026-11-20',
    '2026-11-20; DROP TABLE x',
  ])('%j is none', (text) => expect(iso(shanghai.parse(text))).toBeNull());

  test('is read back from what is printed, and any other text gives a time or null, never an error', () => {
    const instants = fc.integer({ min: 0, max: at('2040-01-01T00:00:00Z') });
    fc.assert(
      fc.property(instants, fc.string(), (instant, text) => {
        expect(berlin.parse(berlin.iso(instant))).toBe(instant);
        const parsed = berlin.parse(text);
        expect(parsed === null || Number.isSafeInteger(parsed)).toBe(true);
      }),
    );
  });
});
