package matrix

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netrig/netrig/internal/vm"
)

// Progress tells live what happens: on a terminal a line for each machine that
// runs, which changes; elsewhere a line for what has happened.
type Progress struct {
	w        io.Writer
	terminal bool
	begin    time.Time

	mu    sync.Mutex
	lines []*line
	drawn int
	stop  chan struct{}
}

// line is a machine that runs.
type line struct {
	p           *Progress
	name        string
	total       int
	count       int
	state       string // "boots"
	begin, said time.Time
}

// sayEvery is how often a machine that runs is told of where there is no
// terminal.
const sayEvery = 10 * time.Second

// NewProgress writes to w, which is a terminal if fd is one.
func NewProgress(w io.Writer, fd uintptr) *Progress {
	_, err := unix.IoctlGetTermios(int(fd), unix.TCGETS)
	p := &Progress{w: w, terminal: err == nil, begin: time.Now(), stop: make(chan struct{})}
	if p.terminal {
		go p.tick()
	}
	return p
}

// tick redraws, so that the times run.
func (p *Progress) tick() {
	for t := time.NewTicker(time.Second); ; {
		select {
		case <-t.C:
			p.aside(func() {})
		case <-p.stop:
			t.Stop()
			return
		}
	}
}

// Done ends the drawing.
func (p *Progress) Done() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	p.lines = nil
	select {
	case <-p.stop:
	default:
		close(p.stop)
	}
}

// Say writes a line that stays.
func (p *Progress) Say(format string, args ...any) {
	if p == nil {
		return
	}
	p.aside(func() { fmt.Fprintf(p.w, "netrig: "+format+"\n", args...) })
}

// aside has something written above the lines that change.
func (p *Progress) aside(write func()) {
	if p == nil {
		write()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	write()
	p.draw()
}

func (p *Progress) erase() {
	if p.terminal && p.drawn > 0 {
		fmt.Fprintf(p.w, "\x1b[%dA\x1b[J", p.drawn) // up, and clear to the end
		p.drawn = 0
	}
}

func (p *Progress) draw() {
	if !p.terminal {
		return
	}
	for _, l := range p.lines {
		fmt.Fprintln(p.w, l)
	}
	p.drawn = len(p.lines)
}

func (p *Progress) start(name string, total int) *line {
	l := &line{p: p, name: name, total: total, state: "boots", begin: time.Now(), said: time.Now()}
	if p != nil {
		p.mu.Lock()
		p.lines = append(p.lines, l)
		p.mu.Unlock()
		p.aside(func() {})
	}
	return l
}

// String is as in "6.12.107     17 of 46 tests   12 s".
func (l *line) String() string {
	text := fmt.Sprintf("%-14s ", l.name)
	if l.state != "" {
		return text + fmt.Sprintf("%-16s", l.state) + fmt.Sprintf("%4.0f s", time.Since(l.begin).Seconds())
	}
	return text + fmt.Sprintf("%-16s", fmt.Sprintf("%d of %d tests", l.count, l.total)) + fmt.Sprintf("%4.0f s", time.Since(l.begin).Seconds())
}

func (l *line) booted(b vm.Boot) {
	l.change(func() bool {
		l.state = fmt.Sprintf("booted (%s)", b.Accel)
		return true
	})
}

func (l *line) ended(string) {
	l.change(func() bool {
		l.count, l.state = min(l.count+1, l.total), ""
		return time.Since(l.said) > sayEvery
	})
}

// change changes the line, and tells it where there is no terminal, if it is
// time to.
func (l *line) change(by func() (tell bool)) {
	if l.p == nil {
		return
	}
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	l.p.erase()
	if by() && !l.p.terminal {
		l.said = time.Now()
		fmt.Fprintln(l.p.w, strings.TrimRight(l.String(), " "))
	}
	l.p.draw()
}

// done takes the line away, and says what came of it.
func (l *line) done(what string) {
	if l.p == nil {
		return
	}
	l.p.mu.Lock()
	l.p.erase()
	l.p.lines = slices.DeleteFunc(l.p.lines, func(other *line) bool { return other == l })
	fmt.Fprintf(l.p.w, "%-14s %s after %.0f s\n", l.name, what, time.Since(l.begin).Seconds())
	l.p.draw()
	l.p.mu.Unlock()
}

// summary is what came of the tests, in a few words.
func (o *output) summary() string {
	passed, failed, skipped := 0, 0, 0
	for _, name := range leaves(o.tests) {
		switch t := o.tests[name]; {
		case t.failed > 0:
			failed++
		case t.skipped > 0:
			skipped++
		default:
			passed++
		}
	}
	text := fmt.Sprintf("%d passed", passed)
	if failed > 0 {
		text += fmt.Sprintf(", %d failed", failed)
	}
	if skipped > 0 {
		text += fmt.Sprintf(", %d skipped", skipped)
	}
	return text
}
