"""The codes of errors and of connections that are closed or refused: what each means, what a client should do. Pure."""

BAD_JSON = "bad_json"
BAD_MSGPACK = "bad_msgpack"
UNKNOWN_ACTION = "unknown_action"
UNKNOWN_METRIC = "unknown_metric"
INVALID_FIELD = "invalid_field"
TOO_MANY_SITES = "too_many_sites"
RATE_LIMITED = "rate_limited"
FORBIDDEN = "forbidden"
NO_HISTORY = "no_history"

ERRORS = {
    BAD_JSON: "The message is no JSON object.",
    BAD_MSGPACK: "The message is no MessagePack map in a binary message; only in that format.",
    UNKNOWN_ACTION: "`action` is missing, or none that this gateway knows.",
    UNKNOWN_METRIC: "`metrics` names one that there is not.",
    INVALID_FIELD: "A field has the wrong type or size; `message` names it, what was expected and what came.",
    TOO_MANY_SITES: "As many sites as `limits.maxSites` are subscribed; unsubscribe from one first.",
    RATE_LIMITED: "More messages than `limits.maxMessagesPerSecond`; four times as many end the connection.",
    FORBIDDEN: "The site is none of those that the client's token names.",
    NO_HISTORY: "InfluxDB is away or busy, or two histories are still to be answered. Live metrics go on; ask again.",
}

NORMAL = 1000
GOING_AWAY = 1001
TOO_FAST = 1008
TOO_BIG = 1009
NO_PONG = 1011
STALLED = 1013
UNAUTHORISED = 4401

CLOSES = {
    NORMAL: "The client has closed the connection.",
    GOING_AWAY: "The gateway stops. Connect again, after a random wait of a second or two.",
    TOO_FAST: "Too many messages: more than four times `limits.maxMessagesPerSecond`. Send less before you come again.",
    TOO_BIG: "A message was larger than `limits.maxMessageBytes`. The same message will fail again.",
    NO_PONG: "No answer within 10 s to a WebSocket ping (after 10 s of silence), or the gateway failed. Connect again.",
    STALLED: "Too slow: nothing was read for `limits.stallTimeoutMs` though there was something. Connect again.",
    UNAUTHORISED: "The token has expired. Connect again with a new one.",
}

#: HTTP statuses that a client is answered with instead of being let in.
REFUSALS = {
    401: "There must be a token, and there is none, or it is forged, expired or malformed.",
    403: "The web page comes from an origin that may not connect. At `/sse` also: a site that is not the token's.",
    429: "Your address has as many live clients as it may. Come back after the seconds of `Retry-After`.",
    503: "The gateway has as many live clients as it may; then there is a `Retry-After`. Or it stops.",
}
#: At /sse one more.
NOT_SUBSCRIBABLE = {400: "The site or the metrics cannot be subscribed to; the body is the error message, in JSON."}
