/** Puts the page together: gateway → feed → frames → page. */

import { createRoot } from 'react-dom/client';
import { gatewayOf, minutesOf, viewOf } from './address';
import { Feed, type FeedState } from './feed/feed';
import { Frames } from './feed/frames';
import { browser } from './feed/world';
import { App } from './ui/App';
import './theme/tokens.css';
import './theme/page.css';
import './theme/controls.css';
import './theme/cards.css';
import './theme/panels.css';
import './theme/visits.css';

const first = viewOf(location.search);
const feed = new Feed(gatewayOf(location), first.site, browser, (state) => frames.take(state));
const frames = new Frames<FeedState>(feed.state, (draw) => requestAnimationFrame(draw));

createRoot(document.getElementById('page') as HTMLElement).render(<App feed={feed} frames={frames} first={first} />);
feed.lookBack(minutesOf(first.range));
feed.connect();
addEventListener('online', () => feed.connect());
