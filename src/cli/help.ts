/** `tidemark --help`: every command in a line of its own, by what one wants to do, on one screen of 80 columns. */
import type { Command } from 'commander';

/** What is not named here is shown last. */
const groups: readonly (readonly [string, readonly string[]])[] = [
  ['Look', ['status', 'list', 'history', 'log', 'why', 'verify', 'explain', 'doctor']],
  ['Run', ['run', 'pause', 'resume', 'dead-letters', 'checkpoint']],
  ['Schedule', ['crontab', 'daemon', 'watch', 'alarm', 'metrics']],
  ['Money', ['ledger', 'payments', 'differences']],
  ['Set up', ['config', 'migrate', 'new-job', 'completion', 'local', 'demo']],
];

const headWidth = 10;
const nameWidth = 14;
const width = 80;

export function overview(program: Command): string {
  const others = program.commands.filter((command) => !groups.some(([, names]) => names.includes(command.name())));
  const lines = [...groups, ['Others', others.map((command) => command.name())] as const].flatMap(([head, names]) =>
    names
      .flatMap((name) => program.commands.find((command) => command.name() === name) ?? [])
      .map((command, place) => lineOf(place === 0 ? head : '', command)),
  );
  return `Usage: ${program.name()} <command>\n${program.description()}\n\n${lines.join('\n')}\n\n`;
}

/** Examples that are longer than a line go on in the next, as a shell reads them. */
export function folded(text: string): string {
  return text.replace(/^ {2}\$ .*$/gm, (line) => foldedLine(line));
}

function foldedLine(line: string): string {
  if (line.length <= width) return line;
  const place = line.lastIndexOf(' ', width - 2);
  const flag = line.lastIndexOf(' --', width - 2);
  const at = flag > width / 2 ? flag : place;
  return at <= 6 ? line : `${line.slice(0, at)} \\\n${foldedLine(`      ${line.slice(at + 1)}`)}`;
}

function lineOf(head: string, command: Command): string {
  const begin = head.padEnd(headWidth) + command.name().padEnd(nameWidth);
  const says = (command.summary() || command.description()).replace(/ \(asks\)$/, '');
  const room = width - begin.length;
  return begin + (says.length <= room ? says : `${says.slice(0, room - 1).replace(/\W*\w*$/, '')} …`);
}
