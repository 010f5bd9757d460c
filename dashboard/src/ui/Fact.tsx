/** A name with its value, a row of a list of facts. */

import type { Freshness } from '../feed/freshness';

interface Props {
  readonly name: string;
  readonly value: string;
  readonly tone?: Freshness;
}

export function Fact({ name, value, tone }: Props) {
  return (
    <div>
      <dt>{name}</dt>
      <dd data-tone={tone}>{value}</dd>
    </div>
  );
}
