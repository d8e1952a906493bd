package progress

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"github.com/slipway-build/slipway/internal/sanitize"
)

// How the log of a build with sections is divided among steps that run side by side.
// Sections cannot overlap, and a step whose lines are spread over many of them cannot be
// read. So one step at a time has its lines printed as they come, and those of the
// others wait until it has ended. It gives way earlier to one that has failed, and in
// these cases, after which its section is continued in another one.
const (
	// maxQuiet is how long it may print nothing while others wait.
	maxQuiet = 10 * time.Second
	// maxWait is how long others wait for it.
	maxWait = time.Minute
	// maxHeld is how much they wait with, in bytes.
	maxHeld = 1 << 20
)

const (
	// lookEvery is how often the log looks for steps that put out nothing, and for
	// those that have ended.
	lookEvery = 200 * time.Millisecond
	// maxRest is how long a step that has ended may begin again without being told of
	// twice: BuildKit runs a source once to identify what it loads, and once to load
	// it.
	maxRest = 150 * time.Millisecond
)

// maxExcerpt is how many lines of a step that has failed a log without sections repeats
// at its end.
const maxExcerpt = 10

// stepLines prints a build in the form of a StepLog.
type stepLines struct {
	form     StepLog
	sections Sections
	// foldable says that the log has sections, headed that a line between them is a
	// command, live that lines are printed as they come.
	foldable, headed, live bool
	// text prints a line; command prints one that the CI system obeys.
	text, command func(line string)
	// own reports whether a step is one of Slipway's own, and muted whether it never
	// ends.
	own   func(digest.Digest) (own, muted bool)
	title string
	now   func() time.Time

	steps  map[string]*logStep // by digest, or by the name of the group
	byPart map[digest.Digest]*logStep
	order  []*logStep
	open   *logStep   // whose section is open
	queue  []*logStep // those that wait
	// resting are those that have ended and may begin again.
	resting []*logStep
	held   int        // what waits, in bytes
	began  bool
}

// newStepLines returns what prints a build for the display.
func newStepLines(d *Display, title string) *stepLines {
	out := io.Writer(d.terminal.gate)
	if d.gate.raw {
		out = d.terminal.out
	}
	p := &stepLines{
		form:     *d.form,
		sections: d.form.Sections,
		text:     func(line string) { _, _ = io.WriteString(out, line+"\n") }, // as BuildKit's display does
		command:  d.terminal.Command,
		own: func(step digest.Digest) (bool, bool) {
			_, own := d.own.Load(step)
			return own, own && d.logs != nil && step == d.logs.vertex.Digest
		},
		title: title,
		now:   time.Now,
	}
	p.init()
	return p
}

func (p *stepLines) init() {
	if p.sections == nil {
		p.sections = noSections{}
	}
	p.foldable = p.sections.Begin("x", "x", time.Time{}, true) != ""
	p.headed = p.sections.Alone("x") != "x"
	p.live = !p.foldable && !p.form.Grouped
	p.steps, p.byPart = map[string]*logStep{}, map[digest.Digest]*logStep{}
}

// UpdateFrom prints what arrives, until the channel is closed.
func (p *stepLines) UpdateFrom(ctx context.Context, ch chan *client.SolveStatus) ([]client.VertexWarning, error) {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	var warnings []client.VertexWarning
	for {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-look.C:
			p.look(p.now())
		case s, ok := <-ch:
			if !ok {
				p.end(p.now())
				return warnings, nil
			}
			p.update(s, p.now())
			for _, w := range s.Warnings {
				warnings = append(warnings, *w)
			}
		}
	}
}

// update prints a status.
func (p *stepLines) update(s *client.SolveStatus, now time.Time) {
	if !p.began {
		p.began = true
		if p.title != "" {
			p.alone("#0 " + p.title)
		}
	}
	var changed []*logStep
	for _, v := range s.Vertexes {
		step := p.step(v)
		if v.Started != nil {
			for _, input := range v.Inputs { // they will not begin again
				p.settle(p.byPart[input], now)
			}
		}
		step.update(v, now)
		if !slices.Contains(changed, step) {
			changed = append(changed, step)
		}
		if p.live || step.own {
			p.header(step)
		}
	}
	for _, status := range s.Statuses {
		if step := p.byPart[status.Vertex]; step != nil && status.Completed != nil && !step.statuses[status.ID] {
			step.statuses[status.ID] = true
			p.minor(step, statusLine(status), now)
		}
	}
	for _, l := range s.Logs {
		if step := p.byPart[l.Vertex]; step != nil {
			p.print(step, step.lines(l), now)
		}
	}
	for _, step := range changed {
		switch {
		case !step.ended || !step.unsaid || step.begun.IsZero():
		case step.own || step.failure() != "":
			p.settle(step, now)
		case step.rests.IsZero():
			step.rests = now
			p.resting = append(p.resting, step)
		}
	}
}

// settle tells how a step has ended that has not been told of.
func (p *stepLines) settle(step *logStep, now time.Time) {
	if step == nil || !step.ended || !step.unsaid || step.begun.IsZero() {
		return
	}
	p.said(step)
	p.print(step, step.last(), now)
	p.finish(step, now)
}

// said notes that it is told how a step has ended.
func (p *stepLines) said(step *logStep) {
	step.unsaid = false
	p.unrest(step)
}

func (p *stepLines) unrest(step *logStep) {
	step.rests = time.Time{}
	p.resting = slices.DeleteFunc(p.resting, func(one *logStep) bool { return one == step })
}

// step returns the step that a vertex belongs to.
func (p *stepLines) step(v *client.Vertex) *logStep {
	key, name := string(v.Digest), v.Name
	if v.ProgressGroup != nil {
		key, name = "group "+v.ProgressGroup.Id, v.ProgressGroup.Name
	}
	step := p.steps[key]
	if step == nil {
		step = &logStep{
			parts: map[digest.Digest]client.Vertex{}, periods: map[int64]period{}, statuses: map[string]bool{},
		}
		step.own, step.muted = p.own(v.Digest)
		p.steps[key] = step
	}
	step.name = name
	step.lane = laneOf(name, step.own)
	p.byPart[v.Digest] = step
	return step
}

// numbered gives a step that is printed its number.
func (p *stepLines) numbered(step *logStep) *logStep {
	if step.number == 0 {
		p.order = append(p.order, step)
		step.number = len(p.order)
	}
	return step
}

// header prints the name of a step that has begun, in front of its lines.
func (p *stepLines) header(step *logStep) {
	if !step.begun.IsZero() && !step.printed {
		step.printed = true
		p.breakSection()
		p.alone(fmt.Sprintf("#%d %s", p.numbered(step).number, step.name))
	}
}

// minor takes a part that has ended.
func (p *stepLines) minor(step *logStep, line string, now time.Time) {
	if p.live || step.own || len(step.waiting) > 0 || step == p.open {
		p.print(step, []string{line}, now)
		return
	}
	step.minor = append(step.minor, line)
}

// print prints lines of a step, or has them wait.
func (p *stepLines) print(step *logStep, lines []string, now time.Time) {
	if len(lines) == 0 {
		return
	}
	lines = slices.Concat(step.minor, lines)
	step.minor = nil
	step.output, step.beat = now, 0
	p.numbered(step)
	if p.live || step.own {
		p.header(step)
		p.breakSection()
		for _, line := range lines {
			step.remember(line)
			p.alone(step.prefix(true) + line)
		}
		return
	}
	if step.waiting == nil {
		step.since = now
	}
	for _, line := range lines {
		step.remember(line)
		step.waiting = append(step.waiting, line)
		step.size += len(line)
		p.held += len(line)
	}
	switch {
	case step == p.open:
		p.flush(step)
	case p.form.Grouped && p.held <= maxHeld:
	case p.open == nil && !p.form.Grouped:
		p.begin(step, now, true)
		p.flush(step)
	default:
		p.wait(step)
		if p.held > maxHeld {
			p.giveWay(p.largest(), now)
		}
	}
}

// wait puts a step into the queue.
func (p *stepLines) wait(step *logStep) {
	if !step.queued {
		step.queued = true
		p.queue = append(p.queue, step)
	}
}

// largest is the step that waits with the most.
func (p *stepLines) largest() *logStep {
	return slices.MaxFunc(p.order, func(a, b *logStep) int { return a.size - b.size })
}

// giveWay has the lines of a step printed now, in the place of those of the one whose
// section is open.
func (p *stepLines) giveWay(step *logStep, now time.Time) {
	p.close(now)
	p.unqueue(step)
	p.begin(step, now, true)
	p.flush(step)
	if p.form.Grouped {
		p.close(now)
	}
}

func (p *stepLines) unqueue(step *logStep) {
	step.queued = false
	p.queue = slices.DeleteFunc(p.queue, func(one *logStep) bool { return one == step })
}

// begin begins a section of a step; in a log without sections, its header.
func (p *stepLines) begin(step *logStep, now time.Time, folded bool) {
	note := ""
	if step.sections > 0 {
		note = " (continued)"
	}
	p.beginNoted(step, note, now, folded)
}

// beginNoted is begin with a note behind the title.
func (p *stepLines) beginNoted(step *logStep, note string, now time.Time, folded bool) {
	title := p.numbered(step).title() + note
	step.sections++
	// What is in front may have made of the name what it was not by itself.
	line := p.sections.Begin(sectionName(step), sanitize.Line(title), now, folded)
	if line == "" {
		p.alone(title)
		if p.foldable { // lines that nobody can fold
			return
		}
	} else {
		p.command(line)
	}
	p.open = step
}

// sectionName names a section for the CI system.
func sectionName(step *logStep) string {
	return fmt.Sprintf("slipway_%d_%d", step.number, step.sections)
}

// close ends the section that is open.
func (p *stepLines) close(now time.Time) {
	step := p.open
	if step == nil {
		return
	}
	if step.ended && step.unsaid { // it will not begin again where it would be seen
		p.said(step)
		p.print(step, step.last(), now)
		p.text(step.prefix(!p.foldable) + step.result())
	}
	if line := p.sections.End(sectionName(step), now); line != "" {
		p.command(line)
	}
	p.open = nil
}

// breakSection ends the section that is open for a line that must be seen.
func (p *stepLines) breakSection() { p.close(p.now()) }

// flush prints the lines of a step that wait.
func (p *stepLines) flush(step *logStep) {
	for _, line := range step.waiting {
		p.text(step.prefix(!p.foldable) + line)
	}
	p.held -= step.size
	step.waiting, step.size = nil, 0
}

// alone prints a line that is in no section.
func (p *stepLines) alone(line string) {
	if p.headed {
		p.command(p.sections.Alone(sanitize.Line(line)))
		return
	}
	p.text(line)
}

// finish prints how a step has ended.
func (p *stepLines) finish(step *logStep, now time.Time) {
	p.numbered(step)
	if p.live || step.own {
		p.header(step)
		p.breakSection()
		p.alone(step.prefix(true) + step.result())
		return
	}
	if len(step.minor) > 1 {
		minor := step.minor
		step.minor = nil
		p.print(step, minor, now)
	}
	switch {
	case step.hasFailed():
		p.fail(step, now)
		p.drain(now)
	case step == p.open:
		p.text(step.prefix(!p.foldable) + step.result())
		p.close(now)
		p.drain(now)
	case p.open == nil:
		p.whole(step, now)
	default:
		step.since = now
		p.wait(step)
	}
	if !step.hasFailed() {
		step.tail = nil
	}
}

// whole prints a step that has ended, with all that waits of it.
func (p *stepLines) whole(step *logStep, now time.Time) {
	p.said(step)
	if len(step.waiting) == 0 {
		note := ""
		for _, line := range step.minor {
			note = " (" + line + ")"
		}
		step.minor = nil
		p.alone(fmt.Sprintf("#%d %s%s: %s", step.number, step.name, note, step.result()))
		return
	}
	p.begin(step, now, true)
	p.flush(step)
	p.text(step.prefix(!p.foldable) + step.result())
	p.close(now)
}

// drain prints what waits: first the steps that have ended, then what there is of the
// one that has waited longest, which goes on.
func (p *stepLines) drain(now time.Time) {
	if p.open != nil {
		return
	}
	for _, step := range slices.Clone(p.queue) {
		if step.ended {
			p.unqueue(step)
			p.whole(step, now)
		}
	}
	if len(p.queue) > 0 && !p.form.Grouped {
		p.giveWay(p.queue[0], now)
	}
}

// fail prints a step that has failed where it is seen: in a section that is not folded,
// or in none. What of it was printed in a folded one before is repeated, up to maxTail
// lines.
func (p *stepLines) fail(step *logStep, now time.Time) {
	p.unqueue(step)
	result := step.prefix(!p.foldable) + step.result()
	if unfold := p.sections.Unfold(); step == p.open && (unfold != "" || !p.foldable) {
		p.text(result)
		if unfold != "" {
			p.command(unfold)
		}
		p.close(now)
		return
	}
	p.close(now)
	lines, note := slices.Concat(step.minor, step.waiting), ""
	if step.sections > 0 {
		lines = step.tail
		if note = " (its last line)"; len(lines) > 1 {
			note = fmt.Sprintf(" (its last %d lines)", len(lines))
		}
	}
	p.held -= step.size
	step.minor, step.waiting, step.size = nil, nil, 0
	p.beginNoted(step, note, now, false)
	for _, line := range lines {
		p.text(step.prefix(!p.foldable) + line)
	}
	p.text(result)
	p.close(now)
}

// look tells of steps that have ended, prints signs of life of those that put out
// nothing, and lets others print that have waited.
func (p *stepLines) look(now time.Time) {
	for _, step := range slices.Clone(p.resting) {
		switch {
		case !step.ended: // it has begun again
			p.unrest(step)
		case now.Sub(step.rests) >= maxRest:
			p.settle(step, now)
		}
	}
	if p.form.Heartbeat > 0 {
		for _, step := range p.running() {
			p.heartbeat(step, now)
		}
	}
	if p.form.Grouped || len(p.queue) == 0 {
		return
	}
	if p.open == nil {
		p.drain(now)
		return
	}
	quiet, waited := now.Sub(p.open.output), now.Sub(p.queue[0].since)
	if quiet >= maxQuiet || waited >= maxWait {
		p.close(now)
		p.drain(now)
	}
}

// running are the steps that have begun and not ended, in the order of their numbers.
// Those that have put out nothing yet get theirs when they are mentioned.
func (p *stepLines) running() []*logStep {
	var all []*logStep
	for _, step := range p.steps {
		if !step.begun.IsZero() && !step.ended && !step.muted {
			all = append(all, step)
		}
	}
	slices.SortFunc(all, func(a, b *logStep) int {
		if c := a.begun.Compare(b.begun); c != 0 {
			return c
		}
		return strings.Compare(a.name, b.name)
	})
	return all
}

// heartbeat says that a step is still running when it is time to.
func (p *stepLines) heartbeat(step *logStep, now time.Time) {
	if step.beat == 0 {
		step.beat = p.form.Heartbeat
	}
	silent := now.Sub(step.output)
	if silent < step.beat {
		return
	}
	step.beat *= 2
	line := fmt.Sprintf("#%d still running: %s, %s, no output for %s", p.numbered(step).number, shorten(step.name, maxTitle), age(now.Sub(step.begun)), age(silent))
	if p.open != nil {
		p.text(line)
		return
	}
	p.alone(line)
}

// age is a duration in whole seconds.
func age(d time.Duration) string { return d.Truncate(time.Second).String() }

// end prints what is left when there is no more.
func (p *stepLines) end(now time.Time) {
	for _, step := range slices.Clone(p.resting) {
		p.settle(step, now)
	}
	for _, step := range p.order {
		p.print(step, step.last(), now)
	}
	p.close(now)
	p.drain(now)
	p.close(now)
	for _, step := range p.order { // those that have not ended
		if len(step.waiting) > 0 {
			p.begin(step, now, true)
			p.flush(step)
			p.close(now)
		}
	}
	if p.headed { // what comes below would belong to the last heading
		p.command(p.sections.Begin("slipway", "slipway", now, false))
	}
	if p.foldable {
		return
	}
	for _, step := range p.order { // other steps may have written below
		if step.own || !step.hasFailed() {
			continue
		}
		p.text("------\n > " + step.name + ":")
		for _, line := range step.tail[max(0, len(step.tail)-maxExcerpt):] {
			p.text(step.prefix(true) + line)
		}
		p.text("------")
	}
}
