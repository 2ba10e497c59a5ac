package engine;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.SequenceInputStream;
import java.lang.reflect.Method;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;

import org.elasticsearch.bootstrap.ServerArgs;
import org.elasticsearch.common.io.stream.OutputStreamStreamOutput;
import org.elasticsearch.common.settings.KeyStoreWrapper;
import org.elasticsearch.common.settings.Settings;

/**
 * Stands in for Elasticsearch's server-cli: the server's own main() reads its ServerArgs from
 * stdin, as the CLI process would write them. Here they are put before a stream that stays open
 * for ever, so one process is enough. With -Dengine.stdin=true the real stdin follows them instead
 * and the server stops when that ends (it dies with its parent).
 */
public final class EsMain {
    public static void main(String[] args) throws Exception {
        Path home = Path.of(System.getProperty("es.path.home"));
        Path conf = Path.of(args[0]);
        Path logs = Path.of(args[1]);
        Path pid = Path.of(args[2]);
        Settings.Builder s = Settings.builder().put("path.home", home.toString()).put("path.logs", logs.toString());
        for (int i = 3; i < args.length; i++) { // the server itself reads no elasticsearch.yml: its CLI does
            int eq = args[i].indexOf('=');
            s.put(args[i].substring(0, eq), args[i].substring(eq + 1));
        }
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (OutputStreamStreamOutput out = new OutputStreamStreamOutput(bytes)) {
            new ServerArgs(false, Boolean.getBoolean("engine.quiet"), pid, KeyStoreWrapper.create(), s.build(), conf, logs).writeTo(out);
        }
        InputStream tail = Boolean.getBoolean("engine.stdin") ? System.in : new InputStream() {
            @Override
            public int read() {
                try {
                    new CountDownLatch(1).await();
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
                return -1;
            }
        };
        System.setIn(new SequenceInputStream(new ByteArrayInputStream(bytes.toByteArray()), tail));
        Method m = Class.forName("org.elasticsearch.bootstrap.Elasticsearch").getDeclaredMethod("main", String[].class);
        m.setAccessible(true);
        m.invoke(null, (Object) new String[0]);
    }
}
