/** A titled part of the page. */

import type { ReactNode } from 'react';

interface Props {
  readonly title: string;
  readonly area: string;
  readonly aside?: ReactNode;
  readonly children: ReactNode;
}

export function Panel({ title, area, aside, children }: Props) {
  return (
    <section className={`panel panel-${area}`} aria-label={title}>
      <header className="panel-head">
        <h2>{title}</h2>
        {aside}
      </header>
      {children}
    </section>
  );
}
