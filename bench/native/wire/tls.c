#include "wire.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

struct wire {
    SSL *tls;
    bool resumes;
    SSL_SESSION *session; /* the last one, for the next connection */
};

/* Called for each ticket, which with TLS 1.3 comes behind the handshake. */
static int on_session(SSL *tls, SSL_SESSION *session)
{
    struct wire *wire = SSL_get_app_data(tls);
    SSL_SESSION_free(wire->session);
    wire->session = session;
    return 1; /* keeps the reference */
}

static SSL_CTX *context(void)
{
    static SSL_CTX *made;
    if (made != NULL)
        return made;
    made = SSL_CTX_new(TLS_client_method());
    if (made == NULL)
        return NULL;
    /* OpenSSL writes to sockets that the server may have closed. */
    signal(SIGPIPE, SIG_IGN);
    SSL_CTX_set_verify(made, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_mode(made, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(made, on_session);
    return made;
}

struct wire *wire_new(bool resumes)
{
    struct wire *wire = context() == NULL ? NULL : calloc(1, sizeof *wire);
    if (wire == NULL)
        errno = ENOMEM;
    else
        wire->resumes = resumes;
    return wire;
}

int wire_open(struct wire *wire, int socket)
{
    /*
     * The end of the handshake and the line are two writes in a row: the second would wait for the
     * server's delayed acknowledgement of the first (Nagle), 40 ms.
     */
    int on = 1;
    if (setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0)
        return -1;
    wire->tls = SSL_new(context());
    if (wire->tls == NULL || SSL_set_fd(wire->tls, socket) != 1) {
        errno = ENOMEM;
        return -1;
    }
    SSL_set_app_data(wire->tls, wire);
    SSL_set_connect_state(wire->tls);
    if (wire->resumes && wire->session != NULL) {
        /* OpenSSL uses a session once (RFC 8446, C.4), and servers send no ticket for the next time. */
        SSL_SESSION *copy = SSL_SESSION_dup(wire->session);
        SSL_set_session(wire->tls, copy);
        SSL_SESSION_free(copy);
    }
    return 0;
}

static ssize_t result_of(struct wire *wire, int count)
{
    if (count > 0)
        return count;
    switch (SSL_get_error(wire->tls, count)) {
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        errno = EAGAIN;
        return -1;
    case SSL_ERROR_SYSCALL:
        if (errno == 0)
            errno = EPROTO;
        return -1;
    default:
        errno = EPROTO;
        return -1;
    }
}

ssize_t wire_send(struct wire *wire, const void *bytes, size_t count)
{
    ERR_clear_error();
    errno = 0;
    return result_of(wire, SSL_write(wire->tls, bytes, (int)count));
}

ssize_t wire_receive(struct wire *wire, void *bytes, size_t count)
{
    ERR_clear_error();
    errno = 0;
    return result_of(wire, SSL_read(wire->tls, bytes, (int)count));
}

void wire_close(struct wire *wire)
{
    if (wire->tls == NULL)
        return;
    /* Without it, OpenSSL does not resume the session. */
    SSL_set_quiet_shutdown(wire->tls, 1);
    SSL_shutdown(wire->tls);
    SSL_free(wire->tls);
    wire->tls = NULL;
}
