package relay

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"path"
	"sync"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"

	"github.com/slipway-build/slipway/internal/fault"
)

// firstWindow is how many bytes may be sent on a stream and on a connection before the other
// side has said otherwise (RFC 9113, section 6.9.2).
const firstWindow = 64<<10 - 1

// maxRequest bounds the request of a call that may be answered on this side, in bytes. It is
// sent within firstWindow.
const maxRequest = 32 << 10

// maxAnswering bounds the calls of a session that are being answered on this side.
const maxAnswering = 64

// link passes the frames of the HTTP/2 connection inside of a session on. The daemon is the
// one who calls there. Calls of services of this side are taken out, and answered here or
// passed on once it is known whom they are for. So streams have other numbers on the client's
// side, and headers are compressed anew on each; DATA frames are copied, and windows are
// those of daemon and client, but for what is answered here.
type link struct {
	ctx     context.Context //nolint:containedctx // that of the session's call; frames come without one
	own     []Service
	exposes func(method string) bool
	server  *grpc.Server // answers on this side

	daemon, client *end

	answering sync.WaitGroup

	mu      sync.Mutex
	changed sync.Cond // a window, or the end
	ended   bool
	calls   map[uint32]*sessionCall // by the daemon's number
	passed  map[uint32]*sessionCall // by the client's
	last    uint32                  // of the daemon's numbers
	next    uint32                  // of the client's
	busy    int                     // calls that are being answered here
	// window is what the daemon lets be sent to it, and owed is how much of that was used
	// by answers of this side: the client does not know of it, and gets no more until it is
	// given back.
	window, owed int64
	first        int64 // the window of new streams of the daemon
}

// sessionCall is a call of the daemon.
type sessionCall struct {
	daemon, client uint32 // its numbers; the client has none before it is passed on
	// service is that of this side which may answer it; nil for none.
	service *Service
	headers headers
	body    []byte // the request, until it is known who answers
	over    bool   // the daemon has sent all
	done    bool   // the client has sent all
	window  int64  // what the daemon lets be sent on the stream, for answers of this side
	cancel  context.CancelFunc
}

// end is one side of a session.
type end struct {
	send func(*frame) error

	mu      sync.Mutex // orders what is sent
	encoder *hpack.Encoder
	block   bytes.Buffer
}

func newEnd(send func(*frame) error) *end {
	e := &end{send: send}
	e.encoder = hpack.NewEncoder(&e.block)
	return e
}

// write sends frames, and then headers; nil for none.
func (e *end) write(frames []byte, h *headers) error {
	if len(frames) == 0 && h == nil {
		return nil
	}
	m := newMessage(len(frames))
	m.add(frames)
	return e.finish(m, h)
}

// finish sends what was collected, and then headers; nil for none.
func (e *end) finish(m *message, h *headers) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if h != nil {
		e.block.Reset()
		for _, f := range h.fields {
			if err := e.encoder.WriteField(f); err != nil {
				return err
			}
		}
		m.data = appendHeaders(m.data, h.stream, e.block.Bytes(), h.end)
	}
	return e.send(m.frame())
}

// limitTable follows the size of the table of who reads the headers.
func (e *end) limitTable(size uint32) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.encoder.SetMaxDynamicTableSizeLimit(min(size, headerTable))
}

func newLink(ctx context.Context, own []Service, exposes func(string) bool, toDaemon, toClient func(*frame) error) *link {
	l := &link{
		ctx: ctx, own: own, exposes: exposes,
		daemon: newEnd(toDaemon), client: newEnd(toClient),
		calls: map[uint32]*sessionCall{}, passed: map[uint32]*sessionCall{},
		next: 1, window: firstWindow, first: firstWindow,
	}
	l.changed.L = &l.mu
	l.server = grpc.NewServer(grpc.MaxRecvMsgSize(maxRequest))
	for _, s := range own {
		l.server.RegisterService(s.Desc, s.Impl)
	}
	return l
}

// end ends all waits, and waits for the answers.
func (l *link) end() {
	l.mu.Lock()
	l.ended = true
	for _, c := range l.calls {
		if c.cancel != nil {
			c.cancel()
		}
	}
	l.changed.Broadcast()
	l.mu.Unlock()
	l.answering.Wait()
	l.server.Stop()
}

var errEnded = errors.New("the session has ended")

// direction is what is read from one side, and what of it goes to the other one.
type direction struct {
	*link
	reader *frameReader
	out    *message // what is collected for the other side
	call   *sessionCall
	size   int // of the message that is being read, for buffers
	// begun is where in out the DATA frame begins that is being read, 0 for none. What
	// others send to the same side must not get into it, so it is sent once it is whole.
	begun int
}

// feed reads a message of a session, and passes on what is to be passed on.
func (d *direction) feed(f *frame, to *end, handler frameHandler) error {
	defer f.data.Free()
	d.size = f.data.Len()
	if d.reader.to == nil {
		d.reader.to = handler
	}
	if err := f.bytes(d.reader.feed); err != nil {
		return err
	}
	if d.begun == 0 {
		return d.flush(to, nil)
	}
	if d.begun == messageHead { // there is nothing before it
		return nil
	}
	whole := d.out
	d.out = newMessage(d.size + maxFrame)
	d.out.add(whole.data[d.begun:])
	whole.data, d.begun = whole.data[:d.begun], messageHead
	return to.finish(whole, nil)
}

// beginData collects the head of a DATA frame.
func (d *direction) beginData(h head) {
	d.add(nil)
	d.begun = len(d.out.data)
	d.add(h.append(nil))
}

// passData collects a piece of one.
func (d *direction) passData(b []byte, last bool) {
	d.add(b)
	if last {
		d.begun = 0
	}
}

// add collects bytes for the other side.
func (d *direction) add(b []byte) {
	if d.out == nil {
		d.out = newMessage(d.size)
	}
	d.out.add(b)
}

// flush sends what was collected, and then headers; nil for none.
func (d *direction) flush(to *end, h *headers) error {
	out := d.out
	d.out = nil
	switch {
	case out == nil && h == nil:
		return nil
	case out == nil:
		out = newMessage(0)
	}
	return to.finish(out, h)
}

// fromDaemon handles what the daemon sends.
type fromDaemon struct{ direction }

func (l *link) newFromDaemon() *fromDaemon {
	d := &fromDaemon{direction{link: l}}
	d.reader = newFrameReader(d, http2.ClientPreface)
	d.out = newMessage(len(http2.ClientPreface))
	d.out.add([]byte(http2.ClientPreface))
	return d
}

func (d *fromDaemon) feedFrame(f *frame) error { return d.feed(f, d.client, d) }

func (d *fromDaemon) data(h head) (fate, error) {
	d.mu.Lock()
	c := d.calls[h.stream]
	switch {
	case c == nil || c.service != nil && c.body == nil: // it has ended, or is being answered
		d.mu.Unlock()
		return drop, d.credit(d.daemon, h.length)
	case c.service != nil:
		if h.flags.Has(http2.FlagDataPadded) {
			d.mu.Unlock()
			return drop, errors.New("DATA with padding")
		}
		c.over = c.over || h.flags.Has(http2.FlagDataEndStream)
		d.mu.Unlock()
		d.call = c
		return take, nil
	}
	if h.flags.Has(http2.FlagDataEndStream) {
		c.over = true
		d.forget(c)
	}
	d.mu.Unlock()
	d.call = nil
	h.stream = c.client
	d.beginData(h)
	return take, nil
}

func (d *fromDaemon) piece(b []byte, last bool) error {
	c := d.call
	if c == nil {
		d.passData(b, last)
		return nil
	}
	if len(c.body)+len(b) > maxRequest {
		return d.refuse(c, http2.ErrCodeEnhanceYourCalm, len(c.body)+len(b))
	}
	c.body = append(c.body, b...)
	if !last {
		return nil
	}
	return d.decide(c)
}

// refuse ends a call of the daemon that nobody else has seen. read is how much of its
// request was read.
func (d *fromDaemon) refuse(c *sessionCall, code http2.ErrCode, read int) error {
	d.mu.Lock()
	delete(d.calls, c.daemon)
	d.mu.Unlock()
	if d.call == c {
		d.call = nil
		d.reader.fate = drop
		read += d.reader.left
	}
	if err := d.credit(d.daemon, uint32(read)); err != nil {
		return err
	}
	return d.daemon.write(resetFrame(c.daemon, code), nil)
}

// decide decides who answers a call, once its request is there.
func (d *fromDaemon) decide(c *sessionCall) error {
	whole := len(c.body) >= 5 && uint64(len(c.body)) >= 5+uint64(binary.BigEndian.Uint32(c.body[1:]))
	if !whole && !c.over {
		return nil
	}
	name := pathOf(c.headers.fields)
	if whole && c.service.Handles != nil && d.exposes(name) {
		request := c.service.New(path.Base(name))
		message := c.body[5 : 5+binary.BigEndian.Uint32(c.body[1:])]
		if request != nil && c.body[0] == 0 && newCodec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(message)}, request) == nil && !c.service.Handles(request) {
			return d.hand(c)
		}
	}
	return d.answer(c)
}

// hand passes a call on to the client whose request was held back.
func (d *fromDaemon) hand(c *sessionCall) error {
	body := c.body
	d.mu.Lock()
	h := c.headers
	c.service, c.body, c.headers = nil, nil, headers{}
	h.stream = d.number(c)
	d.mu.Unlock()
	if err := d.flush(d.client, &h); err != nil {
		return err
	}
	for {
		n := min(len(body), maxFrame)
		data := head{length: uint32(n), kind: http2.FrameData, stream: c.client}
		if n == len(body) && c.over {
			data.flags = http2.FlagDataEndStream
		}
		d.add(data.append(nil))
		d.add(body[:n])
		if body = body[n:]; len(body) == 0 {
			return nil
		}
	}
}

// number gives a call its number on the client's side.
func (l *link) number(c *sessionCall) uint32 {
	c.client = l.next
	l.next += 2
	l.passed[c.client] = c
	return c.client
}

func (d *fromDaemon) headers(h headers) error {
	d.mu.Lock()
	if c := d.calls[h.stream]; c != nil || h.stream <= d.last { // trailers
		if c == nil || c.client == 0 {
			d.mu.Unlock()
			return nil
		}
		c.over = c.over || h.end
		h.stream = c.client
		if h.end {
			d.forget(c)
		}
		d.mu.Unlock()
		return d.flush(d.client, &h)
	}
	if h.stream%2 == 0 {
		d.mu.Unlock()
		return fmt.Errorf("the daemon has begun stream %d", h.stream)
	}
	d.last = h.stream
	c := &sessionCall{daemon: h.stream, headers: h, over: h.end, window: d.first, service: d.serviceOf(pathOf(h.fields))}
	if h.tooLarge {
		d.mu.Unlock()
		return d.refuse(c, http2.ErrCodeEnhanceYourCalm, 0)
	}
	d.calls[c.daemon] = c
	if c.service != nil {
		c.body = []byte{}
		d.mu.Unlock()
		if h.end {
			return d.decide(c)
		}
		return nil
	}
	c.headers = headers{}
	h.stream = d.number(c)
	d.mu.Unlock()
	return d.flush(d.client, &h)
}

func (d *fromDaemon) control(h head, payload []byte) error {
	if err := checkControl(h, payload); err != nil {
		return err
	}
	switch h.kind {
	case http2.FrameRSTStream:
		d.mu.Lock()
		c := d.calls[h.stream]
		if c == nil {
			d.mu.Unlock()
			return nil
		}
		delete(d.calls, c.daemon)
		delete(d.passed, c.client)
		if c.cancel != nil {
			c.cancel()
		}
		d.mu.Unlock()
		if c.client == 0 {
			return d.credit(d.daemon, uint32(len(c.body)))
		}
		h.stream = c.client
		d.add(append(h.append(nil), payload...))
	case http2.FrameWindowUpdate:
		n := binary.BigEndian.Uint32(payload) &^ (1 << 31)
		d.mu.Lock()
		if h.stream == 0 {
			d.window += int64(n)
			kept := min(int64(n), d.owed)
			d.owed -= kept
			n -= uint32(kept)
			d.changed.Broadcast()
		} else {
			c := d.calls[h.stream]
			if c == nil || c.service != nil {
				if c != nil {
					c.window = min(c.window+int64(n), math.MaxInt32)
					d.changed.Broadcast()
				}
				n = 0
			} else {
				h.stream = c.client
			}
		}
		d.mu.Unlock()
		if n > 0 {
			d.add(windowUpdateFrame(h.stream, n))
		}
	case http2.FrameSettings:
		return d.settings(h, payload, d.daemon, func(s http2.Setting) {
			if s.ID != http2.SettingInitialWindowSize {
				return
			}
			d.mu.Lock()
			defer d.mu.Unlock()
			for _, c := range d.calls {
				c.window += int64(s.Val) - d.first
			}
			d.first = int64(s.Val)
			d.changed.Broadcast()
		})
	case http2.FramePing, http2.FrameGoAway:
		d.add(append(h.append(nil), payload...))
	}
	return nil
}

// settings passes SETTINGS on. from is who sends them.
func (d *direction) settings(h head, payload []byte, from *end, each func(http2.Setting)) error {
	if h.flags.Has(http2.FlagSettingsAck) {
		d.add(h.append(nil))
		return nil
	}
	frame, err := settingsFrame(payload, func(s http2.Setting) {
		if s.ID == http2.SettingHeaderTableSize {
			from.limitTable(s.Val)
		}
		each(s)
	})
	if err == nil {
		d.add(frame)
	}
	return err
}

// checkControl checks the size of a frame, and whether it is of a stream.
func checkControl(h head, payload []byte) error {
	size, stream := -1, -1
	switch h.kind {
	case http2.FrameRSTStream:
		size, stream = 4, 1
	case http2.FrameWindowUpdate:
		size = 4
	case http2.FramePing:
		size, stream = 8, 0
	case http2.FrameSettings:
		stream = 0
		if h.flags.Has(http2.FlagSettingsAck) {
			size = 0
		}
	case http2.FrameGoAway:
		stream = 0
		if len(payload) < 8 {
			return fmt.Errorf("%s of %d bytes", h.kind, len(payload))
		}
	}
	if size >= 0 && len(payload) != size || stream >= 0 && (h.stream != 0) != (stream == 1) {
		return fmt.Errorf("%s of %d bytes on stream %d", h.kind, len(payload), h.stream)
	}
	if h.kind == http2.FrameWindowUpdate && binary.BigEndian.Uint32(payload)&^(1<<31) == 0 {
		return fmt.Errorf("%s by nothing", h.kind)
	}
	return nil
}

// fromClient handles what the client sends.
type fromClient struct{ direction }

func (l *link) newFromClient() *fromClient {
	d := &fromClient{direction{link: l}}
	d.reader = newFrameReader(d, "")
	return d
}

func (d *fromClient) feedFrame(f *frame) error { return d.feed(f, d.daemon, d) }

func (d *fromClient) data(h head) (fate, error) {
	d.mu.Lock()
	c := d.passed[h.stream]
	if c == nil {
		d.mu.Unlock()
		return drop, d.credit(d.client, h.length)
	}
	if d.window < int64(h.length) {
		d.mu.Unlock()
		if err := d.flush(d.daemon, nil); err != nil { // it may have to read that first
			return drop, err
		}
		d.mu.Lock()
	}
	for d.window < int64(h.length) && !d.ended {
		d.changed.Wait()
	}
	if d.ended {
		d.mu.Unlock()
		return drop, errEnded
	}
	d.window -= int64(h.length)
	if h.flags.Has(http2.FlagDataEndStream) {
		c.done = true
		d.forget(c)
	}
	d.mu.Unlock()
	h.stream = c.daemon
	d.beginData(h)
	return take, nil
}

func (d *fromClient) piece(b []byte, last bool) error {
	d.passData(b, last)
	return nil
}

func (d *fromClient) headers(h headers) error {
	d.mu.Lock()
	c := d.passed[h.stream]
	if c == nil {
		d.mu.Unlock()
		return nil
	}
	if h.tooLarge {
		delete(d.calls, c.daemon)
		delete(d.passed, c.client)
		d.mu.Unlock()
		d.add(resetFrame(c.daemon, http2.ErrCodeEnhanceYourCalm))
		return d.client.write(resetFrame(c.client, http2.ErrCodeEnhanceYourCalm), nil)
	}
	if h.end {
		c.done = true
		d.forget(c)
	}
	d.mu.Unlock()
	h.stream = c.daemon
	return d.flush(d.daemon, &h)
}

func (d *fromClient) control(h head, payload []byte) error {
	if err := checkControl(h, payload); err != nil {
		return err
	}
	switch h.kind {
	case http2.FrameRSTStream, http2.FrameWindowUpdate:
		if h.stream != 0 {
			d.mu.Lock()
			c := d.passed[h.stream]
			if c != nil && h.kind == http2.FrameRSTStream {
				delete(d.calls, c.daemon)
				delete(d.passed, c.client)
			}
			d.mu.Unlock()
			if c == nil {
				return nil
			}
			h.stream = c.daemon
		}
		d.add(append(h.append(nil), payload...))
	case http2.FrameSettings:
		return d.settings(h, payload, d.client, func(http2.Setting) {})
	case http2.FramePing:
		d.add(append(h.append(nil), payload...))
	case http2.FrameGoAway:
		d.goAway(h, payload)
	}
	return nil
}

// goAway passes on that the client takes no more calls. Those that it has not begun end.
func (d *fromClient) goAway(h head, payload []byte) {
	begun := binary.BigEndian.Uint32(payload) &^ (1 << 31)
	d.mu.Lock()
	for number, c := range d.passed {
		if number > begun {
			delete(d.calls, c.daemon)
			delete(d.passed, number)
			d.add(resetFrame(c.daemon, http2.ErrCodeRefusedStream))
		}
	}
	last := d.last
	d.mu.Unlock()
	d.add(h.append(nil))
	d.add(binary.BigEndian.AppendUint32(nil, last))
	d.add(payload[4:])
}

// forget drops a call that both sides have ended. The lock is held.
func (l *link) forget(c *sessionCall) {
	if c.over && c.done {
		delete(l.calls, c.daemon)
		delete(l.passed, c.client)
	}
}

// credit gives back what was sent on the connection and does not reach the other side.
func (l *link) credit(to *end, n uint32) error {
	if n == 0 {
		return nil
	}
	return to.write(windowUpdateFrame(0, n), nil)
}

// serviceOf is the service of this side that a method is of; nil for none.
func (l *link) serviceOf(method string) *Service {
	for i := range l.own {
		if path.Dir(method) == "/"+l.own[i].Desc.ServiceName {
			return &l.own[i]
		}
	}
	return nil
}

func pathOf(fields []hpack.HeaderField) string {
	for _, f := range fields {
		if f.Name == ":path" {
			return f.Value
		}
	}
	return ""
}

// answer answers a call on this side.
func (d *fromDaemon) answer(c *sessionCall) error {
	d.mu.Lock()
	if d.busy == maxAnswering || d.ended {
		d.mu.Unlock()
		return d.refuse(c, http2.ErrCodeRefusedStream, len(c.body))
	}
	d.busy++
	body := c.body
	c.body = nil
	ctx, cancel := context.WithCancel(d.ctx)
	c.cancel = cancel
	d.answering.Add(1)
	d.mu.Unlock()
	err := d.credit(d.daemon, uint32(len(body)))
	go fault.Protect(func() {
		defer d.answering.Done()
		defer cancel()
		d.serve(ctx, c, body)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.busy--
		delete(d.calls, c.daemon)
	})()
	return err
}
