package peer;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Reads an output topic (read_committed) and prints the checksums that the generator also writes. */
final class Check {
    private Check() { }

    static void main(Args args) throws Exception {
        String name = args.need("workload");
        Workload workload = Workload.of(name);
        String topic = args.need("app") + "-out";
        Properties p = new Properties();
        p.put("bootstrap.servers", args.bootstrap());
        p.put("isolation.level", "read_committed");
        p.put("fetch.max.bytes", "52428800");
        p.put("max.poll.records", "20000");
        long records = 0;
        long tombstones = 0;
        long[] sums = new long[2];
        Map<String, long[]> table = new HashMap<>();
        try (Topics topics = new Topics(args.bootstrap());
             KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            Map<TopicPartition, Long> ends = topics.ends(List.of(topic));
            consumer.assign(ends.keySet());
            consumer.seekToBeginning(ends.keySet());
            List<TopicPartition> open = new ArrayList<>(ends.keySet());
            while (!open.isEmpty()) {
                for (ConsumerRecord<byte[], byte[]> r : consumer.poll(Duration.ofMillis(200))) {
                    records++;
                    if (!workload.upserts()) {
                        add(sums, workload.numbers(r), 1);
                        continue;
                    }
                    String key = new String(r.key(), java.nio.charset.StandardCharsets.UTF_8);
                    long[] now = null;
                    if (r.value() == null) tombstones++;
                    else now = workload.numbers(r);
                    long[] old = now == null ? table.remove(key) : table.put(key, now);
                    if (old != null) add(sums, old, -1);
                    if (now != null) add(sums, now, 1);
                }
                open.removeIf(tp -> consumer.position(tp) >= ends.get(tp));
            }
            if (args.get("delete", "no").equals("yes")) topics.deleteWithPrefix(args.need("app") + "-");
        }
        System.out.printf("{\"check\":\"%s\",\"app\":\"%s\",\"results\":%d,\"tombstones\":%d,\"keys\":%d,\"sum\":%d,\"sum2\":%d}%n",
            name, args.need("app"), records, tombstones, table.size(), sums[0], sums[1]);
    }

    private static void add(long[] sums, long[] numbers, int sign) {
        for (int i = 0; i < numbers.length; i++) sums[i] += sign * numbers[i];
    }
}
