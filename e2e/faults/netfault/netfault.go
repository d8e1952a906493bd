// Package netfault makes the network of one pod bad: slow, lossy, narrow or
// dead. It does what the kernel's netem does, which not every kernel has, with
// the packet queues of netfilter.
package netfault

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"sync"
	"time"
)

// Conditions are those of one direction. The zero value changes nothing.
type Conditions struct {
	// Delay is how much longer each packet takes.
	Delay time.Duration
	// Loss is the share of packets that get lost; 1 is a black hole.
	Loss float64
	// Rate is how many bits pass in a second; 0 is as many as there are.
	Rate int
}

// BlackHole lets no packet pass, and says nothing of it.
var BlackHole = Conditions{Loss: 1}

// longestQueue is how long a packet waits for a narrow link before packets get
// lost, as on a router with a buffer of that size.
const longestQueue = 500 * time.Millisecond

// Link is the network of one address.
type Link struct {
	queue    *queue
	address  string
	from, to direction
	running  sync.WaitGroup
	closed   sync.Once
	closeErr error

	mu     sync.Mutex
	failed error // of what runs in the background
}

// direction is one of a link.
type direction struct {
	mu         sync.Mutex
	conditions Conditions
	random     *rand.Rand
	free       time.Time // when the narrow link has sent all that came
	seen, lost int
	waiting    chan sent
}

// sent is a packet on its way.
type sent struct {
	packet
	due time.Time
}

// Attach puts itself into the way of every packet from and to an IPv4 address
// that this machine routes or sends. Nothing changes until conditions are set.
// Which packets get lost follows from the seed. Close lets go.
//
// Should this process end without Close, the rules that stay let all packets
// pass.
func Attach(ctx context.Context, address string, seed uint64) (*Link, error) {
	q, err := openQueue()
	if err != nil {
		return nil, err
	}
	l := &Link{queue: q, address: address}
	for i, d := range []*direction{&l.from, &l.to} {
		d.random = rand.New(rand.NewPCG(seed, uint64(i)))
		d.waiting = make(chan sent, backlog)
		l.running.Go(func() { l.send(d) })
	}
	l.running.Go(l.read)
	if err := l.rules(ctx, "-I"); err != nil {
		return nil, errors.Join(err, l.Close()) //nolint:contextcheck // what was set up goes, whatever has ended
	}
	return l, nil
}

// rules adds or removes what leads packets into the queue. The table mangle
// has them all: those that are routed, and those from and to this machine.
func (l *Link) rules(ctx context.Context, verb string) error {
	var failed error
	for _, rule := range [][]string{{verb, "PREROUTING", "-s"}, {verb, "POSTROUTING", "-d"}} {
		rule = append(rule, l.address, "-m", "comment", "--comment", "slipway fault", "-j", "NFQUEUE", "--queue-num", strconv.Itoa(int(l.queue.number)), "--queue-bypass")
		if out, err := exec.CommandContext(ctx, "iptables", append([]string{"-w", "-t", "mangle"}, rule...)...).CombinedOutput(); err != nil {
			failed = errors.Join(failed, fmt.Errorf("iptables %q: %w: %s", rule, err, out))
		}
	}
	return failed
}

// Both sets the conditions of both directions.
func (l *Link) Both(c Conditions) {
	l.From(c)
	l.To(c)
}

// From sets the conditions of what the address sends.
func (l *Link) From(c Conditions) { l.from.set(c) }

// To sets the conditions of what is sent to the address.
func (l *Link) To(c Conditions) { l.to.set(c) }

func (d *direction) set(c Conditions) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conditions = c
}

// Packets is how many packets came in both directions, and how many of them
// were lost.
func (l *Link) Packets() (seen, lost int) {
	for _, d := range []*direction{&l.from, &l.to} {
		d.mu.Lock()
		seen, lost = seen+d.seen, lost+d.lost
		d.mu.Unlock()
	}
	return seen, lost
}

// Close lets the link be as it was. It may be called again.
func (l *Link) Close() error {
	l.closed.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		err := l.rules(ctx, "-D")
		_ = l.queue.file.Close() // it may be closed already
		l.running.Wait()
		l.mu.Lock()
		defer l.mu.Unlock()
		l.closeErr = errors.Join(err, l.failed)
	})
	return l.closeErr
}

func (l *Link) fail(err error) {
	if err == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = errors.Join(l.failed, err)
}

// read decides about packets as they come, until the queue is closed.
func (l *Link) read() {
	defer func() {
		close(l.from.waiting)
		close(l.to.waiting)
		_ = l.queue.file.Close() // nobody holds back packets any more
	}()
	l.fail(l.queue.read(func(p packet) {
		d := &l.to
		if p.hook == hookPreRouting {
			d = &l.from
		}
		due, passes := d.decide(p.payload, time.Now())
		if !passes {
			l.fail(l.queue.judge(p, verdictDrop))
			return
		}
		d.waiting <- sent{p, due}
	}))
}

// decide returns when a packet that comes now arrives; false for never.
func (d *direction) decide(size int, now time.Time) (due time.Time, passes bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen++
	c := d.conditions
	due = now
	if c.Rate > 0 {
		if d.free.Before(now) {
			d.free = now
		}
		due = d.free.Add(time.Duration(size) * 8 * time.Second / time.Duration(c.Rate))
	}
	if due.Sub(now) > longestQueue || c.Loss > 0 && d.random.Float64() < c.Loss {
		d.lost++
		return due, false
	}
	d.free = due
	return due.Add(c.Delay), true
}

// send lets packets go when they are due, in their order.
func (l *Link) send(d *direction) {
	for p := range d.waiting {
		if wait := time.Until(p.due); wait > 0 {
			time.Sleep(wait) // the packet is late by this, for nothing else is to come
		}
		l.fail(l.queue.judge(p.packet, verdictAccept))
	}
}
