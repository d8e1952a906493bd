package relay

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/session/auth"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

// ends is a link between two sides that a test writes and reads frames of.
type ends struct {
	link           *link
	daemon, client *side
}

// side is what a test writes on one side, and what has arrived there.
type side struct {
	*http2.Framer // writes into wrote
	wrote         bytes.Buffer
	encoder       *hpack.Encoder
	block         bytes.Buffer
	feed          func(*frame) error

	mu      sync.Mutex
	arrived bytes.Buffer
	reader  *http2.Framer
}

func newSide() *side {
	s := &side{}
	s.Framer = http2.NewFramer(&s.wrote, nil)
	s.encoder = hpack.NewEncoder(&s.block)
	s.reader = http2.NewFramer(nil, &s.arrived)
	s.reader.ReadMetaHeaders = hpack.NewDecoder(headerTable, nil)
	return s
}

func (s *side) receive(f *frame) error {
	defer f.data.Free()
	s.mu.Lock()
	defer s.mu.Unlock()
	return f.bytes(func(b []byte) error {
		s.arrived.Write(b)
		return nil
	})
}

// send passes what was written to the link, in pieces.
func (s *side) send() error {
	defer s.wrote.Reset()
	return s.sendBytes(s.wrote.Bytes())
}

func (s *side) sendBytes(b []byte) error {
	for len(b) > 0 {
		n := 1 + rand.IntN(min(len(b), 40))
		m := newMessage(n)
		m.add(b[:n])
		if err := s.feed(m.frame()); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

func (s *side) compressed(fields ...string) []byte {
	s.block.Reset()
	for i := 0; i < len(fields); i += 2 {
		_ = s.encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return s.block.Bytes()
}

// frames are those that have arrived, in words.
func (s *side) frames(t *testing.T) []string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for {
		b := s.arrived.Bytes()
		if len(b) < frameHead || len(b) < frameHead+int(parseHead(b).length) {
			return all
		}
		f, err := s.reader.ReadFrame()
		if err != nil {
			t.Fatalf("what arrives cannot be read: %v, after %q", err, all)
		}
		text := fmt.Sprint(f.Header().Type, " ", f.Header().StreamID)
		switch f := f.(type) {
		case *http2.DataFrame:
			text += fmt.Sprintf(" %d", len(f.Data()))
			if f.StreamEnded() {
				text += " end"
			}
		case *http2.MetaHeadersFrame:
			for _, field := range f.Fields {
				text += fmt.Sprintf(" %s=%.20s", field.Name, field.Value)
			}
			if f.StreamEnded() {
				text += " end"
			}
		case *http2.WindowUpdateFrame:
			text += fmt.Sprintf(" %d", f.Increment)
		case *http2.RSTStreamFrame:
			text += " " + f.ErrCode.String()
		case *http2.GoAwayFrame:
			text += fmt.Sprintf(" last=%d", f.LastStreamID)
		case *http2.SettingsFrame:
			_ = f.ForeachSetting(func(s http2.Setting) error {
				text += fmt.Sprintf(" %s=%d", s.ID, s.Val)
				return nil
			})
			if f.IsAck() {
				text += " ack"
			}
		}
		all = append(all, text)
	}
}

// newEnds returns a link whose daemon has sent its preface. The relay answers what is
// asked for own.example.
func newEnds(t testing.TB) *ends {
	t.Helper()
	e := &ends{daemon: newSide(), client: newSide()}
	ctx, cancel := context.WithCancel(t.Context())
	e.link = newLink(ctx, ownServices(tokens{name: "relay"})(ctx), func(string) bool { return true }, e.daemon.receive, e.client.receive)
	t.Cleanup(func() {
		cancel()
		e.link.end()
	})
	e.daemon.feed, e.client.feed = e.link.newFromDaemon().feedFrame, e.link.newFromClient().feedFrame
	e.daemon.wrote.WriteString(http2.ClientPreface)
	if err := e.daemon.send(); err != nil {
		t.Fatal(err)
	}
	e.client.arrived.Next(len(http2.ClientPreface))
	return e
}

const fetchToken = "/moby.filesync.v1.Auth/FetchToken"

// tokenRequest is a gRPC message.
func tokenRequest(host string) []byte {
	b, _ := proto.Marshal(&auth.FetchTokenRequest{Host: host})
	return append([]byte{0, 0, 0, byte(len(b) >> 8), byte(len(b))}, b...)
}

func (e *ends) call(t *testing.T, stream uint32, method string) {
	t.Helper()
	block := e.daemon.compressed(":method", "POST", ":scheme", "http", ":path", method, "content-type", "application/grpc", "x", strings.Repeat("v", 30))
	if err := e.daemon.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block, EndHeaders: true}); err != nil {
		t.Fatal(err)
	}
}

func (e *ends) send(t *testing.T, s *side) {
	t.Helper()
	if err := s.send(); err != nil {
		t.Fatal(err)
	}
}

func compare(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// until waits for a number of frames.
func (s *side) until(t *testing.T, n int) []string {
	t.Helper()
	var all []string
	for deadline := time.Now().Add(30 * time.Second); len(all) < n; time.Sleep(time.Millisecond) {
		all = append(all, s.frames(t)...)
		if time.Now().After(deadline) {
			t.Fatalf("only %q have arrived", all)
		}
	}
	return all
}

// TestLinkPasses tests frames of both sides one by one.
func TestLinkPasses(t *testing.T) {
	e := newEnds(t)
	_ = e.daemon.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1000}, http2.Setting{ID: http2.SettingHeaderTableSize, Val: 100}, http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 20})
	_ = e.daemon.WriteWindowUpdate(0, 77)
	_ = e.daemon.WritePing(false, [8]byte{1})
	_ = e.daemon.WritePriority(3, http2.PriorityParam{Weight: 3})
	_ = e.daemon.WriteRawFrame(0x42, 0, 3, []byte("unknown"))
	e.send(t, e.daemon)
	compare(t, "settings for the client", e.client.frames(t), "SETTINGS 0 INITIAL_WINDOW_SIZE=1000", "WINDOW_UPDATE 0 77", "PING 0")
	_ = e.client.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 5})
	_ = e.client.WriteSettingsAck()
	_ = e.client.WritePing(true, [8]byte{1})
	e.send(t, e.client)
	compare(t, "settings for the daemon", e.daemon.frames(t), "SETTINGS 0 MAX_CONCURRENT_STREAMS=5", "SETTINGS 0 ack", "PING 0")

	// A call that waits for its request, one of the client, one of this side.
	e.call(t, 1, fetchToken)
	e.call(t, 3, "/moby.filesync.v1.FileSync/DiffCopy")
	e.call(t, 5, fetchToken)
	_ = e.daemon.WriteData(3, false, []byte("hello"))
	_ = e.daemon.WriteData(5, true, tokenRequest("own.example"))
	request := tokenRequest("other.example")
	_ = e.daemon.WriteData(1, false, request[:7])
	_ = e.daemon.WriteData(1, true, request[7:])
	_ = e.daemon.WriteWindowUpdate(3, 9)
	e.send(t, e.daemon)
	call := func(n int, method string) string {
		return fmt.Sprintf("HEADERS %d :method=POST :scheme=http :path=%.20s content-type=application/grpc x=%.20s", n, method, strings.Repeat("v", 30))
	}
	compare(t, "calls for the client", e.client.frames(t),
		call(1, "/moby.filesync.v1.FileSync/DiffCopy"), "DATA 1 5",
		call(3, fetchToken), fmt.Sprintf("DATA 3 %d end", len(request)), "WINDOW_UPDATE 1 9")
	compare(t, "the answer of this side", e.daemon.until(t, 4),
		fmt.Sprintf("WINDOW_UPDATE 0 %d", len(tokenRequest("own.example"))), "HEADERS 5 :status=200 content-type=application/grpc", "DATA 5 28", "HEADERS 5 grpc-status=0 end")

	_ = e.client.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: e.client.compressed(":status", "200"), EndHeaders: true, PadLength: 7, Priority: http2.PriorityParam{Weight: 1}})
	_ = e.client.WriteDataPadded(3, false, make([]byte, 100), make([]byte, 10))
	block := e.client.compressed("grpc-status", "0", "more", "than one frame")
	_ = e.client.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: block[:4], EndStream: true})
	_ = e.client.WriteContinuation(3, true, block[4:])
	_ = e.client.WriteRSTStream(1, http2.ErrCodeCancel)
	_ = e.client.WriteData(1, false, make([]byte, 50)) // was on its way
	_ = e.client.WriteWindowUpdate(1, 3)
	e.send(t, e.client)
	compare(t, "answers of the client", e.daemon.frames(t), "HEADERS 1 :status=200", "DATA 1 100", "HEADERS 1 grpc-status=0 more=than one frame end", "RST_STREAM 3 CANCEL")
	compare(t, "the window of what the daemon does not get", e.client.frames(t), "WINDOW_UPDATE 0 50")
	_ = e.daemon.WriteData(3, false, make([]byte, 20))
	_ = e.daemon.WriteRSTStream(3, http2.ErrCodeCancel)
	e.send(t, e.daemon)
	compare(t, "the window of what the client does not get", e.daemon.frames(t), "WINDOW_UPDATE 0 20")

	e.call(t, 7, "/a/b")
	e.call(t, 9, "/a/c")
	e.send(t, e.daemon)
	_ = e.client.frames(t)
	_ = e.client.WriteGoAway(5, http2.ErrCodeNo, []byte("bye"))
	e.send(t, e.client)
	compare(t, "the end of the client's connection", e.daemon.frames(t), "RST_STREAM 9 REFUSED_STREAM", "GOAWAY 0 last=9")
	e.link.mu.Lock()
	defer e.link.mu.Unlock()
	if len(e.link.calls) != 1 || len(e.link.passed) != 1 {
		t.Errorf("calls %v, passed %v: one is open", e.link.calls, e.link.passed)
	}
}

// TestLinkWindow tests that the client's bytes wait for the window that answers of this side
// have used, and that the client does not get that back.
func TestLinkWindow(t *testing.T) {
	e := newEnds(t)
	e.call(t, 1, fetchToken)
	_ = e.daemon.WriteData(1, true, tokenRequest("own.example"))
	e.call(t, 3, "/a/b")
	e.send(t, e.daemon)
	_ = e.daemon.until(t, 4)
	const answer = 28
	sent := make(chan error, 1)
	go func() {
		for range 4 {
			_ = e.client.WriteData(1, false, make([]byte, firstWindow/4))
		}
		_ = e.client.WriteData(1, false, make([]byte, firstWindow%4)) // all that the client may send
		sent <- e.client.send()
	}()
	got := e.daemon.until(t, 3)
	select {
	case err := <-sent:
		t.Fatalf("the daemon has got more than its window, %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	got = append(got, e.daemon.frames(t)...)
	_ = e.client.frames(t)
	_ = e.daemon.WriteWindowUpdate(0, answer-10)
	e.send(t, e.daemon)
	compare(t, "a part of what was owed", e.client.frames(t))
	_ = e.daemon.WriteWindowUpdate(0, 1000)
	e.send(t, e.daemon)
	if err := within(t, "the rest", sent); err != nil {
		t.Fatal(err)
	}
	compare(t, "the rest of the window", e.client.frames(t), "WINDOW_UPDATE 0 990")
	compare(t, "the bytes for the daemon", append(got, e.daemon.frames(t)...), "DATA 3 16383", "DATA 3 16383", "DATA 3 16383", "DATA 3 16383", "DATA 3 3")
}

// TestLinkAnswerWindow tests that an answer of this side waits for the daemon's windows, and
// ends with the call.
func TestLinkAnswerWindow(t *testing.T) {
	e := newEnds(t)
	_ = e.daemon.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10})
	for stream := uint32(1); stream <= 3; stream += 2 {
		e.call(t, stream, fetchToken)
		_ = e.daemon.WriteData(stream, true, tokenRequest("own.example"))
		e.send(t, e.daemon)
		compare(t, "the beginning", e.daemon.until(t, 3)[1:], fmt.Sprintf("HEADERS %d :status=200 content-type=application/grpc", stream), fmt.Sprintf("DATA %d 10", stream))
	}
	_ = e.daemon.WriteWindowUpdate(1, 5)
	e.send(t, e.daemon)
	compare(t, "after 5 more bytes", e.daemon.until(t, 1), "DATA 1 5")
	_ = e.daemon.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 20})
	e.send(t, e.daemon)
	rest := e.daemon.until(t, 2)
	slices.Sort(rest)
	compare(t, "after a larger window for all", rest, "DATA 1 10", "DATA 3 10")
	_ = e.daemon.WriteRSTStream(3, http2.ErrCodeCancel)
	_ = e.daemon.WriteWindowUpdate(1, 1<<31-1)
	e.send(t, e.daemon)
	compare(t, "the end", e.daemon.until(t, 2), "DATA 1 3", "HEADERS 1 grpc-status=0 end")
	e.link.answering.Wait()
	compare(t, "after a reset", e.daemon.frames(t))
	if len(e.link.calls) != 0 || e.link.busy != 0 {
		t.Errorf("calls %v, %d are being answered", e.link.calls, e.link.busy)
	}
}

// TestLinkWhole tests that an answer of this side does not get into a DATA frame of which a
// part has come, wherever messages are cut.
func TestLinkWhole(t *testing.T) {
	e := newEnds(t)
	e.call(t, 1, "/a/b")
	e.send(t, e.daemon)
	_ = e.client.WritePing(false, [8]byte{})
	_ = e.client.WriteData(1, false, make([]byte, 1000))
	_ = e.client.WritePing(false, [8]byte{})
	wire := e.client.wrote.Bytes()
	if err := e.client.sendBytes(wire[:500]); err != nil {
		t.Fatal(err)
	}
	e.call(t, 3, fetchToken)
	_ = e.daemon.WriteData(3, true, tokenRequest("own.example"))
	e.send(t, e.daemon)
	got := e.daemon.until(t, 5)
	if err := e.client.sendBytes(wire[500:]); err != nil {
		t.Fatal(err)
	}
	compare(t, "for the daemon", append(got, e.daemon.frames(t)...),
		"PING 0", "WINDOW_UPDATE 0 18", "HEADERS 3 :status=200 content-type=application/grpc", "DATA 3 28", "HEADERS 3 grpc-status=0 end",
		"DATA 1 1000", "PING 0")
}

// TestLinkRefuses tests what is no session: none of it is passed on.
func TestLinkRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		write func(*side)
		want  string
	}{
		"large frame":             {func(s *side) { _ = s.WriteRawFrame(http2.FrameData, 0, 1, make([]byte, maxFrame+1)) }, "a frame of 16385 bytes"},
		"push":                    {func(s *side) { _ = s.WriteRawFrame(http2.FramePushPromise, 4, 1, make([]byte, 4)) }, "PUSH_PROMISE"},
		"continuation of nothing": {func(s *side) { _ = s.WriteRawFrame(http2.FrameContinuation, 4, 1, nil) }, "CONTINUATION without headers"},
		"headers interrupted": {func(s *side) {
			_ = s.WriteRawFrame(http2.FrameHeaders, 0, 1, nil)
			_ = s.WriteRawFrame(http2.FramePing, 0, 0, make([]byte, 8))
		}, "PING inside of headers"},
		"headers of another stream": {func(s *side) {
			_ = s.WriteRawFrame(http2.FrameHeaders, 0, 1, nil)
			_ = s.WriteRawFrame(http2.FrameContinuation, 4, 3, nil)
		}, "CONTINUATION inside of headers"},
		"endless headers": {func(s *side) {
			_ = s.WriteRawFrame(http2.FrameHeaders, 0, 1, nil)
			for range maxHeaders/maxFrame + 1 {
				_ = s.WriteRawFrame(http2.FrameContinuation, 0, 1, make([]byte, maxFrame))
			}
		}, "headers of more than 1048576 bytes"},
		"headers that are none": {func(s *side) { _ = s.WriteRawFrame(http2.FrameHeaders, 4, 1, []byte{0xff}) }, "headers:"},
		"padding":               {func(s *side) { _ = s.WriteRawFrame(http2.FrameHeaders, 0xc, 1, []byte{9, 1}) }, "too much padding"},
		"padding without":       {func(s *side) { _ = s.WriteRawFrame(http2.FrameHeaders, 0xc, 1, nil) }, "without their padding"},
		"priority":              {func(s *side) { _ = s.WriteRawFrame(http2.FrameHeaders, 0x24, 1, make([]byte, 4)) }, "without their priority"},
		"settings":              {func(s *side) { _ = s.WriteRawFrame(http2.FrameSettings, 0, 0, make([]byte, 5)) }, "SETTINGS of a wrong size"},
		"settings of a stream":  {func(s *side) { _ = s.WriteRawFrame(http2.FrameSettings, 0, 1, nil) }, "SETTINGS of 0 bytes on stream 1"},
		"settings acknowledged": {func(s *side) { _ = s.WriteRawFrame(http2.FrameSettings, 1, 0, make([]byte, 6)) }, "SETTINGS of 6 bytes"},
		"window setting": {func(s *side) {
			_ = s.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 31})
		}, "INITIAL_WINDOW_SIZE"},
		"reset":             {func(s *side) { _ = s.WriteRawFrame(http2.FrameRSTStream, 0, 1, nil) }, "RST_STREAM of 0 bytes"},
		"ping":              {func(s *side) { _ = s.WriteRawFrame(http2.FramePing, 0, 0, nil) }, "PING of 0 bytes"},
		"go away":           {func(s *side) { _ = s.WriteRawFrame(http2.FrameGoAway, 0, 0, nil) }, "GOAWAY of 0 bytes"},
		"window by nothing": {func(s *side) { _ = s.WriteRawFrame(http2.FrameWindowUpdate, 0, 0, make([]byte, 4)) }, "WINDOW_UPDATE by nothing"},
		"window":            {func(s *side) { _ = s.WriteRawFrame(http2.FrameWindowUpdate, 0, 0, nil) }, "WINDOW_UPDATE of 0 bytes"},
	} {
		for from := range 2 {
			e := newEnds(t)
			s, other := e.daemon, e.client
			if from == 1 {
				s, other = other, s
			}
			s.AllowIllegalWrites = true
			c.write(s)
			if err := s.send(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: error %v, want %q", name, err, c.want)
			}
			compare(t, name, other.frames(t))
		}
	}
	e := &ends{daemon: newSide()}
	e.link = newLink(t.Context(), nil, nil, e.daemon.receive, e.daemon.receive)
	e.daemon.feed = e.link.newFromDaemon().feedFrame
	if err := e.daemon.sendBytes([]byte("GET / HTTP/1.1\r\n")); err == nil || !strings.Contains(err.Error(), "no preface") {
		t.Errorf("HTTP/1: %v", err)
	}
}

// TestLinkHeaderBomb tests that headers that are small only as long as they are compressed
// end their stream, and no more.
func TestLinkHeaderBomb(t *testing.T) {
	e := newEnds(t)
	e.call(t, 1, "/a/b")
	e.send(t, e.daemon)
	_ = e.client.frames(t)
	block := bytes.Clone(e.client.compressed("x", strings.Repeat("v", 3000)))
	block = append(block, bytes.Repeat([]byte{0x80 | 62}, 10_000)...) // the same field, from the table
	_ = e.client.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block, EndHeaders: true})
	e.send(t, e.client)
	compare(t, "for the daemon", e.daemon.frames(t), "RST_STREAM 1 ENHANCE_YOUR_CALM")
	compare(t, "for the client", e.client.frames(t), "RST_STREAM 1 ENHANCE_YOUR_CALM")
	e.call(t, 3, "/a/b")
	e.send(t, e.daemon)
	_ = e.client.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: e.client.compressed("x", strings.Repeat("v", 3000)), EndHeaders: true})
	e.send(t, e.client)
	compare(t, "another stream", e.daemon.frames(t), "HEADERS 3 x="+strings.Repeat("v", 20))
}

// TestBytesMessage tests that what is read of a BytesMessage is what it holds, however it
// is written and cut.
func TestBytesMessage(t *testing.T) {
	for _, c := range []struct{ wire, want string }{
		{"\x0a\x03abc", "abc"},
		{"", ""},
		{"\x0a\x00", ""},
		{"\x0a\x83\x00abc", "abc"},      // a number that is longer than it must be
		{"\x0a\x01x\x0a\x03abc", "abc"}, // the last one counts
		{"\x10\x05\x0a\x03abc", "abc"},  // after a field that is not known
		{"\x0a\x03abc\x12\x01x", "abc"}, // before one
		{"\x0a\x80\x02" + strings.Repeat("y", 256), strings.Repeat("y", 256)},
	} {
		for _, cut := range []int{0, 1, 2, 3, len(c.wire)} {
			cut = min(cut, len(c.wire))
			f := &frame{data: mem.BufferSlice{mem.SliceBuffer(c.wire[:cut]), mem.SliceBuffer(c.wire[cut:])}}
			got := ""
			if err := f.bytes(func(b []byte) error { got += string(b); return nil }); err != nil || got != c.want {
				t.Errorf("%q cut at %d: %q, %v, want %q", c.wire, cut, got, err, c.want)
			}
		}
	}
	for _, size := range []int{0, 1, 127, 128, 16 << 10, 1 << 21} {
		m := newMessage(10)
		m.add(make([]byte, size))
		f, got := m.frame(), 0
		if err := f.bytes(func(b []byte) error { got += len(b); return nil }); err != nil || got != size {
			t.Errorf("%d bytes: %d, %v", size, got, err)
		}
		f.data.Free()
	}
	broken := &frame{data: mem.BufferSlice{mem.SliceBuffer("\x0a\x09abc")}}
	if err := broken.bytes(func([]byte) error { return nil }); err == nil {
		t.Error("a message that is cut off was read")
	}
}
