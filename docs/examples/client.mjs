// Prints a site's page views per second as windows end; after a lost connection it goes on where it was.
// node client.mjs ws://127.0.0.1:8082 [site]    (Node 20: node --experimental-websocket client.mjs …)

const METRIC = "pageViewsPerSecond";
const [url, site = "default"] = process.argv.slice(2);
const request = { action: "subscribe", site, metrics: [METRIC] };

// The windows that a message tells: of a snapshot, then what was missed, then the newest.
function points(message) {
  const told = [...(message.snapshot?.points[METRIC] ?? []), ...(message.earlier?.[METRIC] ?? [])];
  if (METRIC in message) {
    const { end, final } = message.windows[METRIC];
    told.push({ windowEnd: end, value: message[METRIC], final });
  }
  return told;
}

function listen() {
  const socket = new WebSocket(url);
  let epoch;
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.type === "error") throw new Error(message.message);
    if (message.type === "hello") {
      epoch = message.epoch;
      socket.send(JSON.stringify(request));
      return;
    }
    for (const { windowEnd, value, final } of points(message)) {
      console.log(windowEnd, value, final ? "final" : "early");
    }
    const { offset } = message.snapshot ?? message;
    if (offset !== undefined && message.type !== "alert") request.since = { epoch, offset };
  };
  socket.onerror = () => {}; // a close follows
  socket.onclose = () => setTimeout(listen, 1000);
}

listen();
