/** Between a feed and a screen: of all that comes between two frames only the newest state is shown, in a pause none. */

/** Run something before the next frame is drawn: requestAnimationFrame. */
export type NextFrame = (draw: () => void) => void;

/** Holds the state that is on the screen. However much comes, one state waits: a hidden or paused page costs no memory. */
export class Frames<State> {
  #newest: State;
  #shown: State;
  #waiting = false;
  #paused = false;
  readonly #nextFrame: NextFrame;
  readonly #listeners = new Set<() => void>();

  constructor(first: State, nextFrame: NextFrame) {
    this.#newest = this.#shown = first;
    this.#nextFrame = nextFrame;
  }

  /** Take a new state; it is shown with the next frame. */
  readonly take = (state: State): void => {
    this.#newest = state;
    if (this.#waiting) return;
    this.#waiting = true;
    this.#nextFrame(() => {
      this.#waiting = false;
      if (!this.#paused) this.#show();
    });
  };

  /** Freeze what is shown, or go on with the newest state. */
  pause(paused: boolean): void {
    this.#paused = paused;
    if (!paused) this.#show();
  }

  readonly shown = (): State => this.#shown;

  /** The newest state, shown or not: the connection is told of in a pause too. */
  readonly newest = (): State => this.#newest;

  /** Call something whenever another state is shown; the result ends that. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  #show(): void {
    if (this.#shown === this.#newest) return;
    this.#shown = this.#newest;
    for (const listener of this.#listeners) listener();
  }
}
