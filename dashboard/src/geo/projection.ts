/** The map's projection: Mercator, without the ice at either end; a unit is a degree at the equator. */

/** What the map shows, in degrees: the west begins in the middle of the Pacific. */
const NORTH = 75;
const SOUTH = -55;
const WEST = -170;

export const WIDTH = 350;
export const HEIGHT = up(NORTH) - up(SOUTH);

/** Return where a place (degrees north and east) is on the map, from its upper left corner. */
export function onMap(north: number, east: number): readonly [number, number] {
  return [east - WEST, up(NORTH) - up(north)];
}

function up(north: number): number {
  return (Math.log(Math.tan(Math.PI / 4 + (north * Math.PI) / 360)) * 180) / Math.PI;
}
