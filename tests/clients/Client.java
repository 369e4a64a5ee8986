// A client of Java: java.net.http.HttpClient and the older HttpURLConnection.
//
//     java Client.java HttpClient|HttpURLConnection bulk URL BODY ANSWER
//     java Client.java HttpClient|HttpURLConnection lockstep URL ROUNDS

import java.io.InputStream;
import java.io.OutputStream;
import java.io.PipedInputStream;
import java.io.PipedOutputStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;

public class Client {
    static String rot13(String text) {
        StringBuilder turned = new StringBuilder();
        for (char c : text.toCharArray()) {
            boolean letter = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z';
            turned.append(letter ? (char) (c + ((c | 32) < 'n' ? 13 : -13)) : c);
        }
        return turned.toString();
    }

    static InputStream post(URI url, HttpRequest.BodyPublisher body) throws Exception {
        HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        HttpRequest request = HttpRequest.newBuilder(url).POST(body).build();
        return client.send(request, BodyHandlers.ofInputStream()).body();
    }

    static byte[] bulk(String library, URI url, byte[] body) throws Exception {
        if (library.equals("HttpClient")) {
            return post(url, BodyPublishers.ofByteArray(body)).readAllBytes();
        }
        HttpURLConnection connection = (HttpURLConnection) url.toURL().openConnection();
        connection.setRequestMethod("POST");
        connection.setDoOutput(true);
        connection.setFixedLengthStreamingMode(body.length);
        connection.getOutputStream().write(body);
        connection.getOutputStream().close();
        return connection.getInputStream().readAllBytes();
    }

    static void lockstep(String library, URI url, int rounds) throws Exception {
        OutputStream to;
        InputStream from;
        if (library.equals("HttpClient")) {
            PipedOutputStream pipe = new PipedOutputStream();
            PipedInputStream body = new PipedInputStream(pipe);
            from = post(url, BodyPublishers.ofInputStream(() -> body));
            to = pipe;
        } else {
            HttpURLConnection connection = (HttpURLConnection) url.toURL().openConnection();
            connection.setRequestMethod("POST");
            connection.setDoOutput(true);
            connection.setChunkedStreamingMode(0);
            to = connection.getOutputStream();
            from = connection.getInputStream();
        }
        for (int number = 0; number < rounds; number++) {
            String line = "line " + number + " of many\n";
            to.write(line.getBytes());
            to.flush();
            String got = new String(from.readNBytes(line.length()));
            if (!got.equals(rot13(line))) throw new Exception("round " + number + ": " + got);
        }
        to.close();
        if (from.read() != -1) throw new Exception("more than was sent");
    }

    public static void main(String[] arguments) throws Exception {
        URI url = URI.create(arguments[2]);
        if (arguments[1].equals("bulk")) {
            byte[] body = Files.readAllBytes(Path.of(arguments[3]));
            Files.write(Path.of(arguments[4]), bulk(arguments[0], url, body));
        } else {
            lockstep(arguments[0], url, Integer.parseInt(arguments[3]));
        }
        System.out.println("ok");
        System.exit(0);
    }
}
