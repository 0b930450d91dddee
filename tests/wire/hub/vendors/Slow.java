import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.DefaultSaslConfig;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.ShutdownSignalException;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;

/** An LRM that does not acknowledge, with RabbitMQ's Java client. Arguments: see `test_ack_timeout.py`. */
public final class Slow {
    public static void main(String[] args) throws Exception {
        String queue = args[3] + ".message";
        ConnectionFactory factory = new ConnectionFactory();
        factory.setHost(args[0]);
        factory.setPort(Integer.parseInt(args[1]));
        factory.setVirtualHost(args[2]);
        factory.setSaslConfig(DefaultSaslConfig.EXTERNAL);
        factory.useSslProtocol(Lrm.tls(args[4], args[7]));
        try (Connection connection = factory.newConnection("slow-java")) {
            Channel channel = connection.createChannel();
            BlockingQueue<ShutdownSignalException> ends = new ArrayBlockingQueue<>(1);
            channel.addShutdownListener(ends::add);
            channel.basicConsume(queue, false, (consumer, delivery) -> { }, consumer -> { });
            AMQP.Channel.Close close = (AMQP.Channel.Close) ends.poll(20, TimeUnit.SECONDS).getReason();
            System.out.println("close\t" + close.getReplyCode() + " " + close.getReplyText());
            System.out.println("culprit\t" + close.getClassId() + "," + close.getMethodId());
            System.out.println("open\t" + connection.isOpen());
            Channel next = connection.createChannel();
            GetResponse again = next.basicGet(queue, false);
            System.out.println("again\t" + again.getEnvelope().isRedeliver());
            next.basicAck(again.getEnvelope().getDeliveryTag(), false);
            next.close();
        }
    }
}
