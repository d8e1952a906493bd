package netfault

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"syscall"
)

// The parts of linux/netfilter/nfnetlink_queue.h that are used here.
const (
	netlinkNetfilter = 12
	netlinkNoENOBUFS = 5
	solNetlink       = 270

	subsystemQueue = 3 << 8
	messagePacket  = subsystemQueue
	messageVerdict = subsystemQueue | 1
	messageConfig  = subsystemQueue | 2

	attributePacketHeader  = 1
	attributeVerdictHeader = 2
	attributeLength        = 13 // of a packet of which only a part is copied

	configCommand = 1
	configCopy    = 2
	configBacklog = 3

	commandBind = 1
	copyPacket  = 2

	verdictDrop   = 0
	verdictAccept = 1

	hookPreRouting = 0
)

const (
	netlinkHeader   = 16
	netfilterHeader = 4
	attributeHeader = 4
)

// backlog is how many packets the kernel keeps for a queue at most.
const backlog = 1 << 16

// queue is one queue of the kernel's NFQUEUE target: a packet waits in it until
// its verdict comes. Rules with --queue-bypass let packets pass where nobody
// reads the queue.
type queue struct {
	file   *os.File
	number uint16
}

// packet is a packet that waits for its verdict.
type packet struct {
	id      uint32
	hook    byte
	payload int // bytes
}

// openQueue takes a queue that nobody else has, in the network namespace of the
// calling thread.
func openQueue() (*queue, error) {
	const tries = 20
	for try := 1; ; try++ {
		// Another test may have the number.
		q, err := bindQueue(uint16(1 + rand.N(1<<16-1)))
		if err == nil || !errors.Is(err, syscall.EBUSY) && !errors.Is(err, syscall.EPERM) || try == tries {
			return q, err
		}
	}
}

func bindQueue(number uint16) (*queue, error) {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, netlinkNetfilter)
	if err != nil {
		return nil, fmt.Errorf("open the kernel's packet queues: %w", err)
	}
	q := &queue{number: number}
	err = errors.Join(
		syscall.Bind(fd, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}),
		// A full buffer loses packets, as a full link does; it is no error.
		syscall.SetsockoptInt(fd, solNetlink, netlinkNoENOBUFS, 1),
		syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVBUFFORCE, 16<<20),
	)
	var be32 [4]byte
	for _, attribute := range []func() []byte{
		func() []byte { return attributeOf(configCommand, []byte{commandBind, 0, 0, syscall.AF_INET}) },
		// A word of each packet: then the kernel tells how long all of it is. With
		// less, the messages would not end where package syscall wants it.
		func() []byte { return attributeOf(configCopy, []byte{0, 0, 0, 4, copyPacket}) },
		func() []byte {
			binary.BigEndian.PutUint32(be32[:], backlog)
			return attributeOf(configBacklog, be32[:])
		},
	} {
		if err == nil {
			err = q.configure(fd, attribute())
		}
	}
	if err == nil {
		err = syscall.SetNonblock(fd, true)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("take packet queue %d: %w", number, err), syscall.Close(fd))
	}
	q.file = os.NewFile(uintptr(fd), "packet queue")
	return q, nil
}

// configure sends a setting and waits for the kernel's word on it.
func (q *queue) configure(fd int, attribute []byte) error {
	message := q.message(messageConfig, syscall.NLM_F_REQUEST|syscall.NLM_F_ACK, attribute)
	if err := syscall.Sendto(fd, message, 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, 4096)
	n, _, err := syscall.Recvfrom(fd, answer, 0)
	if err != nil {
		return err
	}
	all, err := syscall.ParseNetlinkMessage(answer[:n])
	if err != nil || len(all) == 0 || all[0].Header.Type != syscall.NLMSG_ERROR || len(all[0].Data) < 4 {
		return fmt.Errorf("the kernel's answer makes no sense: %w", err)
	}
	if errno := -int32(binary.NativeEndian.Uint32(all[0].Data)); errno != 0 {
		return syscall.Errno(errno)
	}
	return nil
}

func (q *queue) message(kind, flags uint16, attribute []byte) []byte {
	m := make([]byte, netlinkHeader+netfilterHeader, netlinkHeader+netfilterHeader+len(attribute))
	binary.NativeEndian.PutUint32(m[0:], uint32(cap(m)))
	binary.NativeEndian.PutUint16(m[4:], kind)
	binary.NativeEndian.PutUint16(m[6:], flags)
	// The family and the version are 0; the queue's number ends the header.
	binary.BigEndian.PutUint16(m[netlinkHeader+2:], q.number)
	return append(m, attribute...)
}

func attributeOf(kind uint16, value []byte) []byte {
	a := make([]byte, (attributeHeader+len(value)+3)&^3)
	binary.NativeEndian.PutUint16(a[0:], uint16(attributeHeader+len(value)))
	binary.NativeEndian.PutUint16(a[2:], kind)
	copy(a[attributeHeader:], value)
	return a
}

// read calls each for every packet until the queue is closed.
func (q *queue) read(each func(packet)) error {
	buffer := make([]byte, 1<<16)
	for {
		n, err := q.file.Read(buffer)
		if errors.Is(err, os.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read packet queue %d: %w", q.number, err)
		}
		messages, err := syscall.ParseNetlinkMessage(buffer[:n])
		if err != nil {
			return fmt.Errorf("read packet queue %d: %w", q.number, err)
		}
		for _, m := range messages {
			if m.Header.Type == messagePacket && len(m.Data) >= netfilterHeader {
				each(parsePacket(m.Data[netfilterHeader:]))
			}
		}
	}
}

func parsePacket(attributes []byte) packet {
	var p packet
	for len(attributes) >= attributeHeader {
		size := int(binary.NativeEndian.Uint16(attributes))
		if size < attributeHeader || size > len(attributes) {
			break
		}
		value := attributes[attributeHeader:size]
		switch binary.NativeEndian.Uint16(attributes[2:]) {
		case attributePacketHeader:
			if len(value) >= 7 {
				p.id, p.hook = binary.BigEndian.Uint32(value), value[6]
			}
		case attributeLength:
			if len(value) >= 4 {
				p.payload = int(binary.BigEndian.Uint32(value))
			}
		}
		attributes = attributes[min((size+3)&^3, len(attributes)):]
	}
	return p
}

// judge sends a packet on, or drops it.
func (q *queue) judge(p packet, verdict uint32) error {
	var value [8]byte
	binary.BigEndian.PutUint32(value[0:], verdict)
	binary.BigEndian.PutUint32(value[4:], p.id)
	_, err := q.file.Write(q.message(messageVerdict, syscall.NLM_F_REQUEST, attributeOf(attributeVerdictHeader, value[:])))
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}
