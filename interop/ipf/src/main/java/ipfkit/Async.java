package ipfkit;

import java.net.ServerSocket;
import java.security.MessageDigest;
import java.util.*;
import java.util.concurrent.*;
import org.apache.camel.*;
import org.apache.camel.builder.RouteBuilder;
import org.apache.cxf.transport.servlet.CXFServlet;
import org.openehealth.ipf.commons.ihe.ws.server.TomcatServer;
import org.openehealth.ipf.commons.ihe.xds.core.metadata.*;
import org.openehealth.ipf.commons.ihe.xds.core.requests.*;
import org.openehealth.ipf.commons.ihe.xds.core.requests.DocumentReference;
import org.openehealth.ipf.commons.ihe.xds.core.requests.query.*;
import org.openehealth.ipf.commons.ihe.xds.core.responses.*;
import org.openehealth.ipf.platform.camel.ihe.ws.AbstractWsEndpoint;
import org.springframework.core.io.ClassPathResource;

/**
 * An initiating gateway that wants its answers at an address of its own (wsa:ReplyTo): ITI-38, then ITI-39 of what was found.
 * Async iti38=URL iti39=URL pid=ID aa=OID home=urn:oid:.. sha1=HEX   exit 0 when one document came and has the hash.
 * ITI-18 and ITI-43 have no asynchronous components in IPF.
 */
public class Async {
  static final BlockingQueue<Object> answers = new LinkedBlockingQueue<>();
  static CamelContext context; static int port;

  public static void main(String[] a) throws Exception {
    Map<String, String> o = new HashMap<>();
    for (String x : a) o.put(x.substring(0, x.indexOf('=')), x.substring(x.indexOf('=') + 1));
    try (ServerSocket free = new ServerSocket(0)) { port = free.getLocalPort(); }
    TomcatServer s = new TomcatServer();
    s.setContextResource(new ClassPathResource("async.xml").getURI().toString());
    s.setPort(port); s.setContextPath(""); s.setServletPath("/*"); s.setServlet(new CXFServlet());
    s.start();
    int code = 1;
    try { ask(o); code = 0; System.out.println("ASYNC PASS"); } catch (Throwable e) { e.printStackTrace(); System.out.println("ASYNC FAIL " + e); }
    System.exit(code);
  }

  static void ask(Map<String, String> o) throws Exception {
    FindDocumentsQuery q = new FindDocumentsQuery(); q.setPatientId(new Identifiable(o.get("pid"), new AssigningAuthority(o.get("aa")))); q.setStatus(List.of(AvailabilityStatus.APPROVED));
    QueryRegistry r = new QueryRegistry(q); r.setReturnType(QueryReturnType.LEAF_CLASS);
    QueryResponse found = (QueryResponse) send("xca-iti38", o.get("iti38"), "iti38answer", r);
    if (found.getStatus() != Status.SUCCESS || found.getDocumentEntries().size() != 1) throw new Exception("ITI-38: " + found);
    DocumentEntry d = found.getDocumentEntries().get(0);
    System.out.println("ITI-38 answered later: " + d.getUniqueId() + " of " + d.getHomeCommunityId());
    RetrieveDocumentSet g = new RetrieveDocumentSet(); g.getDocuments().add(new DocumentReference(d.getRepositoryUniqueId(), d.getUniqueId(), o.get("home")));
    String sha1 = (String) send("xca-iti39", o.get("iti39"), "iti39answer", g);
    if (!sha1.equals(o.get("sha1"))) throw new Exception("ITI-39: the document came with the hash " + sha1);
    System.out.println("ITI-39 answered later: " + sha1);
  }

  static Object send(String scheme, String url, String answer, Object body) throws Exception {
    java.net.URI u = java.net.URI.create(url); String key = UUID.randomUUID().toString();
    Exchange e = context.createProducerTemplate().send(scheme + "://" + u.getAuthority() + u.getPath() + "?correlator=#correlator", ExchangePattern.InOnly, x -> {
      x.getMessage().setBody(body);
      x.getMessage().setHeader(AbstractWsEndpoint.WSA_REPLYTO_HEADER_NAME, "http://127.0.0.1:" + port + "/" + answer);
      x.getMessage().setHeader(AbstractWsEndpoint.CORRELATION_KEY_HEADER_NAME, key); });
    if (e.getException() != null) throw e.getException();
    Object got = answers.poll(2, TimeUnit.MINUTES);
    if (got == null) throw new Exception(scheme + ": no answer came");
    if (!key.equals(got)) throw new Exception(scheme + ": an answer came to " + got);
    return answers.take();
  }

  public static class Routes extends RouteBuilder {
    static void keep(Exchange e, Object o) { answers.add(String.valueOf(e.getMessage().getHeader(AbstractWsEndpoint.CORRELATION_KEY_HEADER_NAME))); answers.add(o); }
    @Override public void configure() {
      context = getContext();
      errorHandler(noErrorHandler());
      from("xca-iti38-async-response:iti38answer?correlator=#correlator").process(e -> keep(e, e.getMessage().getBody(QueryResponse.class)));
      from("xca-iti39-async-response:iti39answer?correlator=#correlator").process(e -> {
        RetrievedDocumentSet r = e.getMessage().getBody(RetrievedDocumentSet.class);
        if (r.getStatus() != Status.SUCCESS || r.getDocuments().size() != 1) { keep(e, "none: " + r.getStatus() + " " + r.getErrors()); return; }
        byte[] b = r.getDocuments().get(0).getDataHandler().getInputStream().readAllBytes(); // while the message is here
        keep(e, HexFormat.of().formatHex(MessageDigest.getInstance("SHA-1").digest(b))); });
    }
  }
}
