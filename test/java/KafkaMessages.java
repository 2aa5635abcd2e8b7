import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.protocol.Readable;

/**
 * Kafka's own message classes and published schemas, for comparison with src/protocol/.
 * Prints one JSON object a line.
 *
 *   generate SEED ROUNDS NAME...   random values of every version: { name, version, value, bytes }
 *   read                           stdin { name, version, bytes } -> { value, bytes } as Kafka reads and writes it
 *   schemas NAME...                the schemas inside kafka-clients, without comments
 *   errors                         { code, name, retriable } of every error
 *
 * A NAME is that of a schema: HeartbeatRequest. Values have the fields of the schema in camel case,
 * bytes are base64. What is random comes from the schema, not from our declarations.
 */
public class KafkaMessages {
  static final ObjectMapper JSON = new ObjectMapper().configure(JsonParser.Feature.ALLOW_COMMENTS, true);
  static final long SAFE_INTEGER_MAX = (1L << 53) - 1;
  static final String LETTERS = "abcdefghijklmnopqrstuvwxyz.-_0123456789";
  static final String[] OTHERS = {"é", "漢", "🙂", "ß", "\n", "\u0000"};

  public static void main(String[] args) throws Exception {
    switch (args[0]) {
      case "generate" -> {
        Random random = new Random(Long.parseLong(args[1]));
        for (int at = 3; at < args.length; at++) generate(args[at], random, Integer.parseInt(args[2]));
      }
      case "read" -> {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) read(JSON.readTree(line));
      }
      case "schemas" -> {
        for (int at = 1; at < args.length; at++) System.out.println(schema(args[at]));
      }
      case "errors" -> {
        for (Errors error : Errors.values()) {
          ObjectNode line = JSON.createObjectNode().put("code", error.code()).put("name", error.name());
          boolean retriable = error.exception() instanceof org.apache.kafka.common.errors.RetriableException;
          System.out.println(line.put("retriable", retriable));
        }
      }
      default -> throw new IllegalArgumentException(args[0]);
    }
  }

  static JsonNode schema(String name) throws Exception {
    try (InputStream in = Message.class.getResourceAsStream("/common/message/" + name + ".json")) {
      return JSON.readTree(in);
    }
  }

  static void generate(String name, Random random, int rounds) throws Exception {
    JsonNode schema = schema(name);
    int[] versions = range(schema.get("validVersions").asText());
    Values values = new Values(schema, random);
    for (int version = versions[0]; version <= versions[1]; version++) {
      for (int round = 0; round < rounds; round++) {
        JsonNode value = values.struct(schema.get("fields"), version, 0);
        Message message = (Message) converter(name, "read").invoke(null, value, (short) version);
        ObjectNode line = JSON.createObjectNode().put("name", name).put("version", version);
        line.set("value", value);
        System.out.println(line.put("bytes", bytes(message, version)));
      }
    }
  }

  static void read(JsonNode line) throws Exception {
    String name = line.get("name").asText();
    short version = (short) line.get("version").asInt();
    ByteBuffer bytes = ByteBuffer.wrap(Base64.getDecoder().decode(line.get("bytes").asText()));
    Class<?> type = Class.forName("org.apache.kafka.common.message." + name + "Data");
    Readable readable = new ByteBufferAccessor(bytes);
    Message message = (Message) type.getConstructor(Readable.class, short.class).newInstance(readable, version);
    if (bytes.hasRemaining()) throw new IllegalStateException(line + " leaves " + bytes.remaining() + " bytes");
    ObjectNode answer = JSON.createObjectNode();
    answer.set("value", (JsonNode) converter(name, "write").invoke(null, message, version));
    System.out.println(answer.put("bytes", bytes(message, version)));
  }


  static String bytes(Message message, int version) {
    ByteBuffer buffer = MessageUtil.toByteBufferAccessor(message, (short) version).buffer();
    byte[] bytes = new byte[buffer.remaining()];
    buffer.get(bytes);
    return Base64.getEncoder().encodeToString(bytes);
  }

  static Method converter(String name, String method) throws Exception {
    Class<?> type = Class.forName("org.apache.kafka.common.message." + name + "DataJsonConverter");
    for (Method one : type.getMethods()) {
      if (one.getName().equals(method) && one.getParameterCount() == 2) return one;
    }
    throw new IllegalStateException(name);
  }

  static int[] range(String text) {
    if (text.endsWith("+")) return new int[] {Integer.parseInt(text.substring(0, text.length() - 1)), 32767};
    int dash = text.indexOf('-');
    if (dash < 0) return new int[] {Integer.parseInt(text), Integer.parseInt(text)};
    return new int[] {Integer.parseInt(text.substring(0, dash)), Integer.parseInt(text.substring(dash + 1))};
  }

  static boolean contains(JsonNode ranges, int version) {
    if (ranges == null || ranges.asText().equals("none")) return false;
    int[] range = range(ranges.asText());
    return version >= range[0] && version <= range[1];
  }

  /** Random values of a schema. */
  static class Values {
    final Random random;
    final Map<String, JsonNode> structs = new HashMap<>();

    Values(JsonNode schema, Random random) {
      this.random = random;
      if (schema.has("commonStructs")) {
        for (JsonNode one : schema.get("commonStructs")) structs.put(one.get("name").asText(), one.get("fields"));
      }
    }

    JsonNode struct(JsonNode fields, int version, int depth) {
      ObjectNode value = JSON.createObjectNode();
      for (JsonNode field : fields) {
        if (!contains(field.get("versions"), version)) continue;
        boolean tagged = contains(field.get("taggedVersions"), version);
        if (tagged && random.nextBoolean()) continue;
        String name = field.get("name").asText();
        name = Character.toLowerCase(name.charAt(0)) + name.substring(1);
        boolean isNull = contains(field.get("nullableVersions"), version) && random.nextInt(4) == 0;
        value.set(name, isNull ? JSON.nullNode() : value(field, field.get("type").asText(), version, depth));
      }
      return value;
    }

    JsonNode value(JsonNode field, String type, int version, int depth) {
      if (type.startsWith("[]")) {
        ArrayNode items = JSON.createArrayNode();
        // A long array now and then, so that its length takes two bytes.
        boolean isLong = depth == 0 && type.equals("[]int32") && random.nextInt(8) == 0;
        int count = isLong ? 130 : random.nextInt(depth > 1 ? 2 : 3);
        for (int at = 0; at < count; at++) items.add(value(field, type.substring(2), version, depth + 1));
        return items;
      }
      return switch (type) {
        case "bool" -> JSON.getNodeFactory().booleanNode(random.nextBoolean());
        case "int8" -> JSON.getNodeFactory().numberNode((byte) random.nextInt());
        case "int16" -> JSON.getNodeFactory().numberNode((short) random.nextInt());
        case "uint16" -> JSON.getNodeFactory().numberNode(random.nextInt(65536));
        case "int32" -> JSON.getNodeFactory().numberNode(random.nextInt() >> random.nextInt(32));
        case "int64" -> JSON.getNodeFactory().numberNode(number());
        case "uuid" -> JSON.getNodeFactory().textNode(new Uuid(random.nextLong(), random.nextLong()).toString());
        case "string" -> JSON.getNodeFactory().textNode(text());
        case "bytes", "records" -> JSON.getNodeFactory().binaryNode(bytes());
        default -> struct(field.has("fields") ? field.get("fields") : structs.get(type), version, depth + 1);
      };
    }

    /** Within the integers that our numbers can hold. */
    long number() {
      return switch (random.nextInt(6)) {
        case 0 -> SAFE_INTEGER_MAX;
        case 1 -> -SAFE_INTEGER_MAX;
        case 2 -> -1;
        default -> (random.nextLong() >> 10) >> random.nextInt(54);
      };
    }

    String text() {
      int length = random.nextInt(20) == 0 ? 140 : random.nextInt(9);
      StringBuilder text = new StringBuilder();
      while (text.length() < length) {
        if (random.nextInt(10) == 0) text.append(OTHERS[random.nextInt(OTHERS.length)]);
        else text.append(LETTERS.charAt(random.nextInt(LETTERS.length())));
      }
      return text.toString();
    }

    byte[] bytes() {
      byte[] bytes = new byte[random.nextInt(20) == 0 ? 140 : random.nextInt(9)];
      random.nextBytes(bytes);
      return bytes;
    }
  }
}
