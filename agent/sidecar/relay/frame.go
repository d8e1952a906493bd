package relay

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	// frameHead is the size of the head of a frame (RFC 9113, section 4.1).
	frameHead = 9
	// maxFrame bounds the payload of a frame: larger ones are sent only to those who ask for
	// them, which is not passed on.
	maxFrame = 16 << 10
	// maxHeaders bounds the headers of a stream, in bytes, compressed and uncompressed. It
	// is the bound of net/http, by which BuildKit's clients serve their sessions.
	maxHeaders = 1 << 20
	// headerTable is the size of HPACK's tables. Larger ones are not used.
	headerTable = 4 << 10
)

// head is the head of a frame.
type head struct {
	length uint32
	kind   http2.FrameType
	flags  http2.Flags
	stream uint32
}

func (h head) append(b []byte) []byte {
	b = append(b, byte(h.length>>16), byte(h.length>>8), byte(h.length), byte(h.kind), byte(h.flags))
	return binary.BigEndian.AppendUint32(b, h.stream)
}

func parseHead(b []byte) head {
	return head{
		length: uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]),
		kind:   http2.FrameType(b[3]), flags: http2.Flags(b[4]),
		stream: binary.BigEndian.Uint32(b[5:]) &^ (1 << 31),
	}
}

// headers are those of a stream, or its trailers.
type headers struct {
	stream uint32
	fields []hpack.HeaderField
	// end says that they end the stream.
	end bool
	// tooLarge says that fields are missing.
	tooLarge bool
}

// frameHandler gets what a frameReader has read.
type frameHandler interface {
	// data is the beginning of a DATA frame. What take returns says what becomes of its payload.
	data(h head) (fate, error)
	// piece is a part of the payload of the DATA frame that began last, last says whether the
	// frame ends with it. It is called for frames that are kept, and for those that are passed.
	// Frames without a payload have one empty piece.
	piece(b []byte, last bool) error
	headers(h headers) error
	// control is another frame. payload is valid during the call.
	control(h head, payload []byte) error
}

// fate is what becomes of the payload of a DATA frame.
type fate int

const (
	drop fate = iota
	take
)

// frameReader reads the frames of one direction of an HTTP/2 connection from pieces of it.
// The payload of DATA frames is not collected.
type frameReader struct {
	to frameHandler
	// preface is what has to come before the first frame.
	preface string
	decoder *hpack.Decoder

	buffer  []byte // the head of a frame, then the payload of one that is no DATA frame
	head    *head  // nil while it is being read
	left    int    // of the payload of a DATA frame
	fate    fate
	block   []byte   // headers of which CONTINUATION frames are to come
	pending *headers // nil for none
	size    int      // of the fields of the headers that are being decoded
}

func newFrameReader(to frameHandler, preface string) *frameReader {
	r := &frameReader{to: to, preface: preface}
	r.decoder = hpack.NewDecoder(headerTable, nil)
	r.decoder.SetMaxStringLength(maxHeaders)
	return r
}

// feed reads the next piece.
func (r *frameReader) feed(p []byte) error {
	for len(p) > 0 {
		switch {
		case r.preface != "":
			n := min(len(p), len(r.preface))
			if string(p[:n]) != r.preface[:n] {
				return errors.New("there is no preface of HTTP/2")
			}
			r.preface, p = r.preface[n:], p[n:]
		case r.head == nil:
			n := min(len(p), frameHead-len(r.buffer))
			r.buffer, p = append(r.buffer, p[:n]...), p[n:]
			if len(r.buffer) == frameHead {
				h := parseHead(r.buffer)
				r.head, r.buffer = &h, r.buffer[:0]
				if err := r.begin(h); err != nil {
					return err
				}
			}
		case r.head.kind == http2.FrameData:
			n := min(len(p), r.left)
			r.left -= n
			if err := r.payload(p[:n]); err != nil {
				return err
			}
			p = p[n:]
		default:
			n := min(len(p), int(r.head.length)-len(r.buffer))
			r.buffer, p = append(r.buffer, p[:n]...), p[n:]
			if err := r.whole(); err != nil {
				return err
			}
		}
	}
	return nil
}

// begin checks the head of a frame.
func (r *frameReader) begin(h head) error {
	switch {
	case h.length > maxFrame:
		return fmt.Errorf("a frame of %d bytes", h.length)
	case r.pending != nil && (h.kind != http2.FrameContinuation || h.stream != r.pending.stream):
		return fmt.Errorf("%s inside of headers", h.kind)
	case h.kind == http2.FrameData:
		var err error
		if r.fate, err = r.to.data(h); err != nil {
			return err
		}
		if r.left = int(h.length); r.left == 0 {
			return r.payload(nil)
		}
		return nil
	}
	return r.whole()
}

// payload is the next piece of a DATA frame.
func (r *frameReader) payload(p []byte) error {
	last := r.left == 0
	if last {
		r.head = nil
	}
	if r.fate == drop {
		return nil
	}
	return r.to.piece(p, last)
}

// whole handles a frame other than DATA once it is whole.
func (r *frameReader) whole() error {
	h, payload := *r.head, r.buffer
	if len(payload) < int(h.length) {
		return nil
	}
	r.head, r.buffer = nil, r.buffer[:0]
	switch h.kind {
	case http2.FrameHeaders:
		fragment, err := fragmentOf(h, payload)
		if err != nil {
			return err
		}
		r.pending = &headers{stream: h.stream, end: h.flags.Has(http2.FlagHeadersEndStream)}
		return r.fragment(fragment, h.flags.Has(http2.FlagHeadersEndHeaders))
	case http2.FrameContinuation:
		if r.pending == nil {
			return errors.New("CONTINUATION without headers")
		}
		return r.fragment(payload, h.flags.Has(http2.FlagContinuationEndHeaders))
	case http2.FramePushPromise:
		return errors.New("PUSH_PROMISE")
	}
	return r.to.control(h, payload)
}

// fragment is a part of compressed headers.
func (r *frameReader) fragment(p []byte, last bool) error {
	if len(r.block)+len(p) > maxHeaders {
		return fmt.Errorf("headers of more than %d bytes", maxHeaders)
	}
	r.block = append(r.block, p...)
	if !last {
		return nil
	}
	h := *r.pending
	r.size = 0
	r.decoder.SetEmitFunc(func(f hpack.HeaderField) {
		if r.size += int(f.Size()); r.size > maxHeaders {
			h.tooLarge, h.fields = true, nil // the rest is decoded for the table
			return
		}
		h.fields = append(h.fields, f)
	})
	_, err := r.decoder.Write(r.block)
	if err == nil {
		err = r.decoder.Close()
	}
	if err != nil {
		return fmt.Errorf("headers: %w", err)
	}
	r.block, r.pending = nil, nil
	return r.to.headers(h)
}

// fragmentOf is the compressed headers of a HEADERS frame, without padding and priority.
func fragmentOf(h head, payload []byte) ([]byte, error) {
	pad := 0
	if h.flags.Has(http2.FlagHeadersPadded) {
		if len(payload) == 0 {
			return nil, errors.New("HEADERS without their padding")
		}
		pad, payload = int(payload[0]), payload[1:]
	}
	if h.flags.Has(http2.FlagHeadersPriority) {
		if len(payload) < 5 {
			return nil, errors.New("HEADERS without their priority")
		}
		payload = payload[5:]
	}
	if pad > len(payload) {
		return nil, errors.New("HEADERS with too much padding")
	}
	return payload[:len(payload)-pad], nil
}

// appendHeaders appends compressed headers as frames.
func appendHeaders(b []byte, stream uint32, block []byte, end bool) []byte {
	h := head{kind: http2.FrameHeaders, stream: stream}
	if end {
		h.flags = http2.FlagHeadersEndStream
	}
	for {
		n := min(len(block), maxFrame)
		if n == len(block) {
			h.flags |= http2.FlagHeadersEndHeaders // the flag is the same for CONTINUATION
		}
		h.length = uint32(n)
		b = append(h.append(b), block[:n]...)
		if block = block[n:]; len(block) == 0 {
			return b
		}
		h.kind, h.flags = http2.FrameContinuation, 0
	}
}

func resetFrame(stream uint32, code http2.ErrCode) []byte {
	b := head{length: 4, kind: http2.FrameRSTStream, stream: stream}.append(nil)
	return binary.BigEndian.AppendUint32(b, uint32(code))
}

func windowUpdateFrame(stream, increment uint32) []byte {
	b := head{length: 4, kind: http2.FrameWindowUpdate, stream: stream}.append(nil)
	return binary.BigEndian.AppendUint32(b, increment)
}

// settingsFrame returns the settings that are passed on: neither the sizes of tables and
// frames, which are those of one connection, nor what is not known.
func settingsFrame(payload []byte, each func(http2.Setting)) ([]byte, error) {
	if len(payload)%6 != 0 {
		return nil, errors.New("SETTINGS of a wrong size")
	}
	var passed []byte
	for ; len(payload) > 0; payload = payload[6:] {
		s := http2.Setting{ID: http2.SettingID(binary.BigEndian.Uint16(payload)), Val: binary.BigEndian.Uint32(payload[2:])}
		if err := s.Valid(); err != nil {
			return nil, fmt.Errorf("SETTINGS: %s: %w", s, err)
		}
		each(s)
		switch s.ID {
		case http2.SettingEnablePush, http2.SettingMaxConcurrentStreams, http2.SettingInitialWindowSize, http2.SettingMaxHeaderListSize:
			passed = append(passed, payload[:6]...)
		}
	}
	return append(head{length: uint32(len(passed)), kind: http2.FrameSettings}.append(nil), passed...), nil
}
