import { expect, it, vi } from 'vitest';
import { Frames } from '../src/feed/frames';

function framesOf() {
  const waiting: (() => void)[] = [];
  const frames = new Frames(0, (draw) => waiting.push(draw));
  const drawn = vi.fn();
  frames.subscribe(drawn);
  return { frames, drawn, waiting, frame: () => waiting.shift()?.() };
}

it('shows only the newest of what has come between two frames', () => {
  const { frames, drawn, waiting, frame } = framesOf();
  for (let state = 1; state <= 1_000; state++) frames.take(state);
  expect([frames.shown(), waiting.length]).toEqual([0, 1]);
  frame();
  expect([frames.shown(), drawn.mock.calls.length]).toEqual([1_000, 1]);
});

it('asks for another frame after each one', () => {
  const { frames, drawn, frame } = framesOf();
  frames.take(1);
  frame();
  frames.take(2);
  frame();
  expect([frames.shown(), drawn.mock.calls.length]).toEqual([2, 2]);
});

it('stands still in a pause and goes on with the newest', () => {
  const { frames, drawn, frame } = framesOf();
  frames.pause(true);
  frames.take(1);
  frame();
  frames.take(2);
  expect([frames.shown(), frames.newest(), drawn.mock.calls.length]).toEqual([0, 2, 0]);
  frames.pause(false);
  expect([frames.shown(), drawn.mock.calls.length]).toEqual([2, 1]);
});

it('tells nobody who has left', () => {
  const { frames, frame } = framesOf();
  const left = vi.fn();
  frames.subscribe(left)();
  frames.take(1);
  frame();
  expect(left).not.toHaveBeenCalled();
});
