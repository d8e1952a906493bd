package netfault

import (
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// inNamespace runs a test in a network namespace of its own.
func inNamespace(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("network namespaces need root")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The thread ends with this goroutine, and the namespace with it.
		runtime.LockOSThread()
		if err := syscall.Unshare(syscall.CLONE_NEWNET); err != nil {
			t.Error(err)
			return
		}
		if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
			return
		}
		test(t)
	}()
	<-done
}

// pair is two UDP sockets on loopback: what is sent by one is read by the other.
func pair(t *testing.T) (pod, peer *net.UDPConn) {
	t.Helper()
	listen := func(ip string) *net.UDPConn {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(ip)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	return listen("127.0.0.2"), listen("127.0.0.3")
}

// exchange sends packets of a size and returns how many arrived within the
// wait after the last that did, and how long all took.
func exchange(t *testing.T, from, to *net.UDPConn, packets, size int, wait time.Duration) (arrived int, took time.Duration) {
	t.Helper()
	began := time.Now()
	for range packets {
		if _, err := from.WriteTo(make([]byte, size), to.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	buffer := make([]byte, 2048)
	for arrived < packets {
		if err := to.SetReadDeadline(time.Now().Add(wait)); err != nil {
			t.Fatal(err)
		}
		if _, err := to.Read(buffer); err != nil {
			break
		}
		arrived++
		took = time.Since(began)
	}
	return arrived, took
}

func TestLink(t *testing.T) {
	inNamespace(t, func(t *testing.T) {
		pod, peer := pair(t)
		l, err := Attach(t.Context(), "127.0.0.2", 1)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			if n, _ := exchange(t, pod, peer, 10, 100, 5*time.Second); n != 10 {
				t.Errorf("%d of 10 packets arrive after Close", n)
			}
			if out, err := exec.Command("iptables", "-t", "mangle", "-S").CombinedOutput(); err != nil || len(out) > 400 {
				t.Errorf("rules that are left: %v\n%s", err, out)
			}
		}()
		if n, _ := exchange(t, pod, peer, 100, 100, 5*time.Second); n != 100 {
			t.Errorf("without conditions %d of 100 packets arrive", n)
		}

		const delay = 200 * time.Millisecond
		l.From(Conditions{Delay: delay})
		if n, took := exchange(t, pod, peer, 100, 100, 5*time.Second); n != 100 || took < delay {
			t.Errorf("delayed by %s: %d of 100 packets arrive within %s", delay, n, took)
		}

		l.Both(BlackHole)
		if n, _ := exchange(t, pod, peer, 10, 100, 100*time.Millisecond); n != 0 {
			t.Errorf("a black hole lets %d packets pass", n)
		}
		if n, _ := exchange(t, peer, pod, 10, 100, 100*time.Millisecond); n != 0 {
			t.Errorf("a black hole lets %d packets back", n)
		}

		l.Both(Conditions{})
		l.To(Conditions{Loss: 0.05})
		all := 0
		for range 10 { // few at a time, for sockets lose packets, too
			n, _ := exchange(t, peer, pod, 100, 100, 300*time.Millisecond)
			all += n
		}
		if all < 900 || all > 990 {
			t.Errorf("%d of 1000 packets arrive, with a loss of 5 %%", all)
		}

		// 40 packets of 1028 bytes are 329 kbit, less than fits into the buffer.
		l.To(Conditions{Rate: 1_000_000})
		if n, took := exchange(t, peer, pod, 40, 1000, 5*time.Second); n != 40 || took < 320*time.Millisecond {
			t.Errorf("at 1 Mbit/s %d of 40 packets arrive within %s", n, took)
		}
		if n, _ := exchange(t, peer, pod, 200, 1000, time.Second); n == 200 {
			t.Error("a narrow link keeps 1.6 s of packets")
		}
		if seen, lost := l.Packets(); seen < 1400 || lost < 90 || lost > seen {
			t.Errorf("%d of %d packets lost", lost, seen)
		}
	})
}
