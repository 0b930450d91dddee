import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.DefaultSaslConfig;
import java.io.FileInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** An LRM's round trip with RabbitMQ's Java client, as its vendor writes it. Arguments: see `test_vendors.py`. */
public final class Lrm {
    static SSLContext tls(String ca, String p12) throws Exception {
        char[] password = "sandbox".toCharArray();
        KeyStore own = KeyStore.getInstance("PKCS12");
        try (InputStream file = new FileInputStream(p12)) {
            own.load(file, password);
        }
        KeyManagerFactory keys = KeyManagerFactory.getInstance("SunX509");
        keys.init(own, password);
        KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
        trusted.load(null, null);
        try (InputStream file = new FileInputStream(ca)) {
            int number = 0;
            for (var certificate : CertificateFactory.getInstance("X.509").generateCertificates(file)) {
                trusted.setCertificateEntry("ca" + number++, certificate);
            }
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance("SunX509");
        trust.init(trusted);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        return context;
    }

    private static String received(Channel channel, String queue) throws Exception {
        BlockingQueue<String> bodies = new ArrayBlockingQueue<>(1);
        String tag = channel.basicConsume(queue, false, (consumer, delivery) -> {
            channel.basicAck(delivery.getEnvelope().getDeliveryTag(), false);
            bodies.add(new String(delivery.getBody(), StandardCharsets.UTF_8));
        }, consumer -> { });
        String body = bodies.poll(20, TimeUnit.SECONDS);
        channel.basicCancel(tag);
        return body;
    }

    public static void main(String[] args) throws Exception {
        String client = args[3];
        ConnectionFactory factory = new ConnectionFactory();
        factory.setHost(args[0]);
        factory.setPort(Integer.parseInt(args[1]));
        factory.setVirtualHost(args[2]);
        factory.setSaslConfig(DefaultSaslConfig.EXTERNAL);
        factory.useSslProtocol(tls(args[4], args[7]));
        try (Connection connection = factory.newConnection("lrm-java")) {
            Channel reading = connection.createChannel();
            reading.basicQos(10);
            System.out.println("declared\t" + reading.queueDeclarePassive(client + ".message").getQueue());
            System.out.println("message\t" + received(reading, client + ".message"));
            Channel sending = connection.createChannel();
            sending.confirmSelect();
            AMQP.BasicProperties properties =
                new AMQP.BasicProperties.Builder().contentType("application/json").deliveryMode(2).priority(0).build();
            for (int file = 8; file < 10; file++) {
                sending.basicPublish("hubsante", client, properties, Files.readAllBytes(Path.of(args[file])));
            }
            sending.waitForConfirmsOrDie(10_000);
            System.out.println("error\t" + received(reading, client + ".info"));
        }
    }
}
