import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.*;

/**
 * The windows as Kafka Streams' users write them, with its default stores and caches.
 *
 * <p>Less than Tidemark's job: counts instead of distinct visitors, no duplicates, no dead letters. It reads EVENTS from
 * KAFKA in group GROUP and writes RESULTS; its folder is STATE.
 */
public final class Baseline {
    private static final Serde<String> TEXT = Serdes.String();
    private static final Serde<Event> EVENT = json(Event.class);
    private static final Serde<Counts> COUNTS = json(Counts.class);
    private static final Serde<Result> RESULT = json(Result.class);
    /** Partitions are read unevenly, and those of a task share one clock: less grace drops events that are on time. */
    private static final Duration GRACE = Duration.ofHours(1);

    @JsonIgnoreProperties(ignoreUnknown = true)
    record Conversion(double value) {}

    @JsonIgnoreProperties(ignoreUnknown = true)
    record Event(
            long timestamp, String eventType, String siteId, String sessionId, String userId, Conversion conversionData) {
        boolean is(String type) {
            return type.equals(eventType);
        }

        String visit() {
            return siteId + "/" + (userId == null ? sessionId : userId) + "/" + sessionId;
        }
    }

    record Counts(long events, long views, long conversions, double revenue) {
        static Counts none() {
            return new Counts(0, 0, 0, 0);
        }

        Counts with(Event event) {
            double value = event.conversionData() == null ? 0 : event.conversionData().value();
            return new Counts(
                    events + 1,
                    views + (event.is("PAGE_VIEW") ? 1 : 0),
                    conversions + (event.is("CONVERSION") ? 1 : 0),
                    revenue + value);
        }

        Counts with(Counts other) {
            return new Counts(
                    events + other.events, views + other.views, conversions + other.conversions, revenue + other.revenue);
        }
    }

    record Result(String window, String site, long start, long end, long count, Counts counts) {}

    private static void build(StreamsBuilder builder) {
        KStream<String, Event> events = builder.stream(
                System.getenv("EVENTS"),
                Consumed.with(TEXT, EVENT).withTimestampExtractor((record, time) -> ((Event) record.value()).timestamp()));
        KGroupedStream<String, Event> bySite =
                events.groupBy((key, event) -> event.siteId(), Grouped.with("site", TEXT, EVENT));

        TimeWindows panes = TimeWindows.ofSizeAndGrace(Duration.ofSeconds(5), GRACE);
        send("tumbling", bySite.windowedBy(panes)
                .aggregate(Counts::none, (site, event, counts) -> counts.with(event), Materialized.with(TEXT, COUNTS))
                .toStream());

        TimeWindows minutes = TimeWindows.ofSizeAndGrace(Duration.ofSeconds(60), GRACE).advanceBy(Duration.ofSeconds(10));
        send("sliding", bySite.windowedBy(minutes)
                .aggregate(Counts::none, (site, event, counts) -> counts.with(event), Materialized.with(TEXT, COUNTS))
                .toStream());

        send("session", events.groupBy((key, event) -> event.visit(), Grouped.with("visit", TEXT, EVENT))
                .windowedBy(SessionWindows.ofInactivityGapAndGrace(Duration.ofMinutes(30), GRACE))
                .aggregate(
                        Counts::none,
                        (visit, event, counts) -> counts.with(event),
                        (visit, one, other) -> one.with(other),
                        Materialized.with(TEXT, COUNTS))
                .toStream());

        send("alert", events.filter((visitor, event) -> event.is("PAGE_VIEW"))
                .groupByKey()
                .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofMinutes(5), GRACE))
                .count()
                .toStream()
                .mapValues(views -> views == 1 ? new Counts(1, 1, 0, 0) : null));
    }

    private static void send(String name, KStream<Windowed<String>, Counts> windows) {
        windows.map((window, counts) -> {
            long start = window.window().start(), end = window.window().end();
            long count = counts == null ? 0 : name.equals("tumbling") ? counts.views() : counts.events();
            Result result = counts == null ? null : new Result(name, window.key(), start, end, count, counts);
            return new org.apache.kafka.streams.KeyValue<>(name + "/" + window.key() + "/" + start + "-" + end, result);
        }).to(System.getenv("RESULTS"), Produced.with(TEXT, RESULT));
    }

    private static <T> Serde<T> json(Class<T> type) {
        ObjectMapper mapper = new ObjectMapper();
        return Serdes.serdeFrom(
                (topic, value) -> {
                    try {
                        return value == null ? null : mapper.writeValueAsBytes(value);
                    } catch (IOException error) {
                        throw new UncheckedIOException(error);
                    }
                },
                (topic, bytes) -> {
                    try {
                        return bytes == null ? null : mapper.readValue(bytes, type);
                    } catch (IOException error) {
                        throw new UncheckedIOException(error);
                    }
                });
    }

    /** Run until SIGTERM. */
    public static void main(String[] arguments) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, System.getenv("GROUP"));
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, System.getenv("KAFKA"));
        settings.put(StreamsConfig.STATE_DIR_CONFIG, System.getenv("STATE"));
        settings.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, TEXT.getClass());
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, Runtime.getRuntime().availableProcessors());
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1_000);
        settings.put("auto.offset.reset", "earliest");
        StreamsBuilder builder = new StreamsBuilder();
        build(builder);
        KafkaStreams streams = new KafkaStreams(builder.build(), settings);
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
    }
}
