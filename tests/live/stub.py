"""A stub that lacks something: passes what xkd and QEMU say to each other on, but for some questions, which it
answers itself."""
import re
import socket
import threading


def packet(body):
    return b"$%s#%02x" % (body, sum(body) & 255)


class Stub:
    """answers: {question: [replies]} as bytes, or a function of the question. In the with-block the guest's xkd goes this way; asked: the
    packets that came, in order."""

    def __init__(self, g, answers):
        self.g, self.answers, self.asked = g, answers, []
        self.real = g.target
        self.port = int(g.target.rsplit(":", 1)[1])
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.target = "gdb:127.0.0.1:%d" % self.listener.getsockname()[1]

    def __enter__(self):
        self.g.target = self.target
        threading.Thread(target=self.serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.g.target = self.real
        self.listener.close()

    def serve(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            stub = socket.create_connection(("127.0.0.1", self.port))
            for s in (client, stub):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back = threading.Thread(target=self.back, args=(stub, client), daemon=True)
            back.start()
            self.forth(client, stub)
            stub.shutdown(socket.SHUT_WR)
            back.join()

    @staticmethod
    def back(stub, client):
        while data := stub.recv(65536):
            try:
                client.sendall(data)
            except OSError:
                break
        client.close()

    def forth(self, client, stub):
        """Whole packets: what is not one (acks, Ctrl-C) goes on at once."""
        held = b""
        while data := client.recv(65536):
            held += data
            while held:
                m = re.match(rb"([^$]+)|\$([^#]*)#..", held, re.S)
                if not m:
                    break
                held = held[m.end():]
                replies = None
                if m[2] is not None:
                    self.asked.append(m[2])
                    replies = self.answers(m[2]) if callable(self.answers) else self.answers.get(m[2])
                if replies is None:
                    stub.sendall(m[0])
                else:
                    client.sendall(b"+" + b"".join(map(packet, replies)))
