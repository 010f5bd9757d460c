/** A page for tests: time stands still until it is moved, and the test is the door. */

import type { SiteEvent, World } from '../../tracker/world';
import { FakeWorld } from '../fakeWorld';

export type Sent = SiteEvent & { sent_at: string };

export class FakePage extends FakeWorld implements World {
  /** All that has left the page, in order. */
  readonly sent: Sent[] = [];
  readonly requests: { events: Sent[]; answered: (status: number) => void }[] = [];
  readonly beacons: Sent[][] = [];
  /** The status of each answer; null: the test answers itself. */
  status: number | null = 200;
  takesBeacons = true;
  address = '/';
  name = 'Shop';
  loadedAfter: number | undefined = 80;
  referrer = '';
  entered = true;
  #ids = 0;

  id(): string {
    this.#ids += 1;
    return `id-${this.#ids}`;
  }

  path(): string {
    return this.address;
  }

  title(): string {
    return this.name;
  }

  loadTime(): number | undefined {
    return this.loadedAfter;
  }

  post(body: string, answered: (status: number) => void): void {
    const { status } = this;
    const events = JSON.parse(body);
    this.sent.push(...events);
    this.requests.push({ events, answered });
    if (status !== null) this.after(20, () => answered(status));
  }

  beacon(body: string): boolean {
    if (!this.takesBeacons) return false;
    const events = JSON.parse(body);
    this.sent.push(...events);
    this.beacons.push(events);
    return true;
  }

  get types(): string[] {
    return this.sent.map((event) => event.event_type);
  }
}
