/** How numbers and times read. The same kind of number has always as many decimals, so that it does not jump about. */

const formats = new Map<number, Intl.NumberFormat>();

/** Write a number with so many decimals: 1,234.5. */
export function number(value: number, decimals: number): string {
  let format = formats.get(decimals);
  if (!format) {
    format = new Intl.NumberFormat('en', { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
    formats.set(decimals, format);
  }
  return format.format(value);
}

/** Write a fraction 0..1 in percent: 6.9%. */
export function percent(fraction: number): string {
  return `${number(fraction * 100, 1)}%`;
}

/** Write seconds: 2.2 s, 1 m 05 s, 2 h 03 m. */
export function duration(seconds: number): string {
  if (seconds < 59.95) return `${number(seconds, 1)} s`;
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} m ${pad(whole % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} m`;
}

/** Write a time (ms since the epoch) as the local 14:03:05. */
export function clock(at: number): string {
  const date = new Date(at);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map(pad).join(':');
}

/** Write an amount with a unit's plural: 1 alert, 3 alerts. */
export function counted(amount: number, unit: string): string {
  return `${number(amount, 0)} ${unit}${amount === 1 ? '' : 's'}`;
}

function pad(part: number): string {
  return String(part).padStart(2, '0');
}
