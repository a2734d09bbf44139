package report

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/netrig/netrig/internal/sandbox"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// browser is a page in a real Chromium without a window.
type browser struct {
	t   testing.TB
	ctx context.Context
	// said is what the page has complained about: exceptions, and what its policy
	// has kept from running.
	said chan string
}

// browse opens a report. It skips the test where there is no Chromium, or fails
// it when everything is required.
func browse(t testing.TB, dir string, before ...action) *browser {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		if sandbox.RequireAll() {
			t.Fatal(err)
		}
		t.Skip("the program chromium is not installed: install the Debian package chromium")
	}
	home := t.TempDir()
	// The path of a socket has room for 107 bytes (unix(7)), and Chromium adds some 50.
	sockets, err := os.MkdirTemp("/tmp", "netrig-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(sockets) })
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program),
		// Root has no other choice, and the page is ours.
		chromedp.NoSandbox,
		chromedp.Flag("disable-dev-shm-usage", true), // small in containers
		chromedp.UserDataDir(filepath.Join(home, "profile")),
		chromedp.Env("HOME="+home, "TMPDIR="+sockets),
		chromedp.WSURLReadTimeout(2*time.Minute),
		chromedp.WindowSize(1280, 900))
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	t.Cleanup(cancel)
	ctx, stop := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(stop)
	b := &browser{t: t, said: make(chan string, 100)}
	ctx, end := chromedp.NewContext(ctx, chromedp.WithListener(func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			b.said <- e.ExceptionDetails.Text
		case *page.EventJavascriptDialogOpening:
			b.said <- "a dialog: " + e.Message
		}
	}))
	t.Cleanup(end)
	b.ctx = ctx
	b.do(before...)
	b.do(chromedp.Navigate("file://" + filepath.Join(dir, "report.html")))
	b.await(`document.querySelector('article.open .more')?.dataset.state === 'there'`)
	return b
}

type action = chromedp.Action[chromedp.Void]

func (b *browser) do(actions ...action) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Do(b.ctx, actions...))
}

// media emulates a kind of output, "screen" or "print", and a colour scheme.
func media(kind, scheme string) action {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Media: kind, Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	})
}

// click clicks on the first element that a selector finds.
func click(selector string) action { return chromedp.Click(chromedp.CSS(selector)) }

// script runs a script, and waits for the promise that it may give.
func script(text string) action {
	return chromedp.Evaluate[chromedp.Void](text, func(p *runtime.EvaluateParams) { wait := true; p.AwaitPromise = &wait })
}

// eval is the value of an expression, as JSON decodes it.
func (b *browser) eval(expression string) any {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[any](expression))
	require.NoError(b.t, err, expression)
	return value
}

func (b *browser) text(expression string) string {
	b.t.Helper()
	text, _ := b.eval(expression).(string)
	return text
}

// await waits until an expression is true.
func (b *browser) await(expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	_, err := chromedp.Run(ctx, chromedp.Poll[chromedp.Void](expression, chromedp.WithPollingTimeout(time.Minute)))
	require.NoError(b.t, err, "waiting for %s", expression)
}

// press presses keys, as a keyboard does: a letter is typed when nobody has
// prevented it (chromedp.KeyEvent types it in any case).
func (b *browser) press(keys ...string) {
	b.t.Helper()
	for _, key := range strings.Join(keys, "") {
		for _, e := range kb.Encode(key) {
			if e.Type == kb.KeyChar {
				continue
			}
			if k := kb.Keys[key]; e.Type == kb.KeyDown && k != nil && (k.Print || key == '\r') {
				e.Text, e.UnmodifiedText = k.Text, k.Unmodified
			}
			_, err := chromedp.Call(b.ctx, input.DispatchKeyEvent, *e)
			require.NoError(b.t, err)
		}
	}
}

// quiet demands that the page has not complained.
func (b *browser) quiet() {
	b.t.Helper()
	select {
	case text := <-b.said:
		assert.Fail(b.t, "the page complains", text)
	default:
	}
}

func reported(t testing.TB, dir string) string {
	t.Helper()
	var out, complaints strings.Builder
	require.Equal(t, StatusWritten, Main([]string{dir}, &out, &complaints), complaints.String())
	return dir
}

// What comes from packets, names and files is shown as it is, and runs nowhere.
func TestBrowserShowsAttacks(t *testing.T) {
	t.Parallel()
	b := browse(t, reported(t, three(t)))
	assert.Nil(t, b.eval(`window.owned`))
	assert.Equal(t, "netrig: 1 failed, 1 passed, 1 skipped", b.text(`document.title`))
	assert.EqualValues(t, 1, b.eval(`document.scripts.length`), "the page's own")
	assert.EqualValues(t, 0, b.eval(`document.images.length`))
	for what, where := range map[string]string{
		"name": "article.open h2", "failure": "article.open .why pre", "code": "article.open .why code", "in the list": "#list .name",
		"gap": "article.open .problem", "step": ".open .step", "asked": ".open .asked", "state": ".open .nodes", "explanation": ".open details pre",
	} {
		assert.Contains(t, b.text(`document.querySelector(`+quote(where)+`).textContent`), attack, what)
	}
	// The payload, in the decoded layer.
	b.press("p", kb.Enter)
	assert.Contains(t, b.text(`document.querySelector('.unfolded').textContent`), attack+"0")
	assert.Contains(t, b.text(`document.querySelector('.unfolded .hex').textContent`), "</template><scri")

	// The picture is there without what it could do.
	assert.Equal(t, "client", b.text(`document.querySelector('.picture').shadowRoot.querySelector('#drawn').textContent`))
	assert.EqualValues(t, 0, b.eval(`document.querySelector('.picture').shadowRoot.querySelectorAll('script, foreignObject, [onclick], [onload]').length`))
	assert.Equal(t, "rgb(1, 2, 3)", b.text(`getComputedStyle(document.querySelector('.picture').shadowRoot.querySelector('#drawn')).fill`))
	b.do(script(`document.querySelector('.picture').shadowRoot.querySelector('#drawn').dispatchEvent(new MouseEvent('click', {bubbles: true}))`))

	assert.EqualValues(t, 0, b.eval(`performance.getEntriesByType('resource').length`), "nothing is fetched")

	// Were something put in as HTML all the same, the page's policy would stop it.
	b.do(script(`document.body.insertAdjacentHTML('beforeend', '<img src=x onerror="window.owned=2">'); new Promise(done => { const s = document.createElement('script'); s.textContent = 'window.owned=3'; document.body.append(s); setTimeout(done, 50) })`))
	assert.Nil(t, b.eval(`window.owned`))
	b.quiet()
}

func quote(text string) string {
	raw, _ := json.Marshal(text)
	return string(raw)
}

// shown are the names of the tests in the list, open the one that is open.
const (
	shown  = `[...document.querySelectorAll('#list li:not([hidden]) .name')].map(e => e.textContent.slice(0, 11)).join(' ')`
	opened = `document.querySelector('article.open h2').textContent.trim().slice(2, 13)`
)

func TestBrowserSearchAndKeys(t *testing.T) {
	t.Parallel()
	b := browse(t, reported(t, three(t)))
	assert.Equal(t, "TestHostile TestPass TestSkip", b.text(shown), "failures first")
	assert.Equal(t, "TestHostile", b.text(opened), "the first failure")

	// Search, by more than the name; Escape clears it.
	b.press("/")
	assert.Equal(t, "search", b.text(`document.activeElement.id`))
	b.press("WG not")
	assert.Equal(t, "TestSkip", b.text(shown))
	assert.Equal(t, "TestHostile", b.text(opened), "typing p, t, j and k types")
	b.press("hing")
	assert.Equal(t, "", b.text(shown))
	assert.Equal(t, false, b.eval(`document.getElementById('nothing').hidden`))
	b.press(kb.Escape)
	assert.Equal(t, "TestHostile TestPass TestSkip", b.text(shown))

	// The outcomes filter too, and by keyboard.
	b.do(click(`.show .pass span`))
	assert.Equal(t, "TestPass", b.text(shown))
	b.press(kb.ArrowRight)
	assert.Equal(t, "TestSkip", b.text(shown))
	b.do(click(`.show .all span`))

	// j and k go through the list, and end at its ends; Enter opens.
	b.press("t", "k")
	assert.Equal(t, "TestHostile", b.text(opened))
	b.press("j")
	assert.Equal(t, "TestPass", b.text(opened))
	b.await(`document.querySelector('article.open .more').dataset.state === 'there'`)
	b.press(kb.ArrowDown, "j")
	assert.Equal(t, "TestSkip", b.text(opened))
	b.press("k", kb.Enter)
	assert.Equal(t, "TestPass", b.text(opened))
	b.await(`document.activeElement.tagName === 'ARTICLE'`)
	assert.Equal(t, "#t1", b.text(`location.hash`), "which can be sent to somebody")

	// Packets: 800, in parts.
	rows := `document.querySelectorAll('.open .p').length`
	assert.EqualValues(t, 300, b.eval(rows))
	at := `document.activeElement.dataset.i`
	b.press("p", "j", kb.ArrowDown)
	assert.Equal(t, "2", b.text(at))
	b.press(kb.Enter)
	assert.Equal(t, "true", b.text(`document.activeElement.getAttribute('aria-expanded')`))
	box := b.text(`document.querySelector('.open .unfolded').textContent`)
	assert.Contains(t, box, "The way of this packet: out of client:eth0into router:leftout of router:rightinto server:eth0")
	assert.Contains(t, box, "DstMAC"+mac(4).String()+"  server:eth0", "the name of an address")
	assert.Contains(t, box, "TTL63")
	assert.EqualValues(t, 3, b.eval(`document.querySelectorAll('.open .same').length`), "the other sightings are lit")
	b.press(kb.ArrowLeft)
	assert.EqualValues(t, 0, b.eval(`document.querySelectorAll('.open .unfolded').length`))
	b.press(kb.End)
	assert.Equal(t, "799", b.text(at))
	assert.EqualValues(t, 800, b.eval(rows))
	assert.EqualValues(t, 1, b.eval(`document.querySelectorAll('.open .p[tabindex="0"]').length`), "one stop for Tab")
	b.press(kb.Home)
	assert.Equal(t, "0", b.text(at))

	// Names for addresses; and a filter.
	assert.Contains(t, b.text(`document.activeElement.textContent`), "10.0.1.2:40000 > 10.0.2.2:9")
	b.do(click(`.open .bar input[type=checkbox]`))
	assert.Contains(t, b.text(`document.querySelector('.open .p').textContent`), "client:40000 > server:9")
	b.do(click(`.open .bar input[type=search]`))
	b.press("ROUTER:LEFT in")
	assert.Equal(t, "200 of 800", b.text(`document.querySelector('.open [role=status]').textContent`))

	b.press(kb.ArrowDown)
	assert.Contains(t, b.text(`document.activeElement.textContent`), "router:left")
	b.do(script(`document.querySelector('.open .bar input[type=search]').focus()`))
	b.press(kb.Escape)
	assert.EqualValues(t, 300, b.eval(rows), "Escape clears it")
	assert.Equal(t, "0", b.text(at))

	// What changed between two states.
	router := `[...document.querySelectorAll('.open .node')].find(n => n.dataset.name === 'router')`
	assert.Equal(t, "net.ipv4.ip_forward = 0", b.text(router+`.querySelector('.gone').textContent`))
	assert.Equal(t, "net.ipv4.ip_forward = 1", b.text(router+`.querySelector('.added').textContent`))
	assert.NotContains(t, b.text(router+`.textContent`), "cable to client:eth0", "which did not change")
	b.do(script(`document.querySelectorAll('.open .bar input[type=checkbox]')[1].click()`))
	assert.Contains(t, b.text(router+`.textContent`), "cable to client:eth0")

	// The keys are told, and Tab goes where one expects.
	b.press("t", "?")
	assert.Equal(t, true, b.eval(`document.getElementById('keys').open`))
	b.press(kb.Escape)
	assert.Equal(t, false, b.eval(`document.getElementById('keys').open`))
	b.do(script(`document.getElementById('keys-button').focus()`))
	var order []string
	for range 4 {
		b.press(kb.Tab)
		order = append(order, b.text(`document.activeElement.id || document.activeElement.name || document.activeElement.className`))
	}
	assert.Equal(t, []string{"search", "show", "fail", "pass"}, order)
	b.quiet()
}

// luminance is that of a colour as the browser computes it, 0 black and 1 white
// (WCAG 2.2).
const luminance = `(e, what) => { const [r, g, b] = getComputedStyle(e)[what].match(/[\d.]+/g).map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b }`

func TestBrowserDark(t *testing.T) {
	t.Parallel()
	dir := reported(t, three(t))
	for scheme, dark := range map[string]bool{"light": false, "dark": true} {
		b := browse(t, dir, media("screen", scheme))
		back, ok := b.eval(`(` + luminance + `)(document.body, 'backgroundColor')`).(float64)
		require.True(t, ok)
		assert.Equal(t, dark, back < .2, "%s: the background's luminance is %.2f", scheme, back)
		// Everything is readable: contrast 4.5 or more (WCAG 2.2, 1.4.3).
		poor := b.text(`(() => { const of = ` + luminance + `; const behind = e => { while (/^rgba\(.*, 0\)$/.test(getComputedStyle(e).backgroundColor)) e = e.parentElement || document.body; return of(e, 'backgroundColor') };
			return [...document.querySelectorAll('h1, h2, h3, p, a, li, td, th, pre, code, dt, dd, label span, summary, button, .took, .first, .mark')].filter(e => e.checkVisibility()).map(e => {
				const [a, b] = [of(e, 'color'), behind(e)].sort((a, b) => b - a); return [(a + .05) / (b + .05), e] })
				.filter(([c]) => c < 4.5).map(([c, e]) => e.tagName + '.' + e.className + ' ' + c.toFixed(2)).join(', ') })()`)
		assert.Empty(t, poor, scheme)
		b.quiet()
	}
}

// At the width of a phone nothing has to be scrolled sideways but what is wide by
// nature, and list and test take turns.
func TestBrowserPhone(t *testing.T) {
	t.Parallel()
	b := browse(t, reported(t, three(t)), chromedp.EmulateViewport(375, 700, chromedp.EmulateMobile, chromedp.EmulateTouch))
	narrow := func(what string) {
		t.Helper()
		assert.EqualValues(t, 375, b.eval(`document.documentElement.scrollWidth`), what)
		assert.Empty(t, b.text(`[...document.querySelectorAll('body *')].filter(e => e.checkVisibility() && !e.closest('pre, .picture, #keys') && e.getBoundingClientRect().right > 376).map(e => e.tagName + '.' + e.className).join(' ')`), what)
	}
	visible := func(selector string) any {
		return b.eval(`document.querySelector(` + quote(selector) + `).checkVisibility()`)
	}
	narrow("the list")
	assert.Equal(t, false, visible("article.open"))
	b.do(click(`#list li:nth-child(2) a`))
	b.await(`document.querySelector('#t1 .more').dataset.state === 'there'`)
	assert.Equal(t, false, visible("#list"))
	assert.Equal(t, true, visible("#t1"))
	b.do(script(`document.querySelector('.open .p').click()`))
	assert.Equal(t, true, visible(".open .unfolded"))
	narrow("a test")
	b.do(click(`.open .back`))
	b.await(`document.querySelector('#list').checkVisibility()`)
	assert.Equal(t, false, visible("#t1"))
	b.do(click(`#list li:nth-child(1) a`))
	b.await(`document.querySelector('#t0').checkVisibility()`)
	narrow("a test with long words")
	b.quiet()
}

// On paper there is no search, and every failure.
func TestBrowserPrint(t *testing.T) {
	t.Parallel()
	b := browse(t, reported(t, three(t)))
	b.press("t", "j") // the pass is open
	b.do(media("print", "light"))
	visible := func(selector string) any {
		return b.eval(`document.querySelector(` + quote(selector) + `).checkVisibility()`)
	}
	assert.Equal(t, false, visible("#search"))
	assert.Equal(t, true, visible("#list"))
	assert.Equal(t, true, visible("#t0 .why pre"))
	assert.Equal(t, true, visible("#t1 h2"))
	assert.Equal(t, false, visible("#t2"))
	b.quiet()
}

// BenchmarkOpen is how long a report of 60 tests and 20,000 packets takes to open
// in Chromium, by the browser's own clock: until the list can be used, and until
// the first test is there with its packets. NETRIG_FIGURES=1 demands 1 s.
func BenchmarkOpen(b *testing.B) {
	chrome := browse(b, reported(b, many(b)))
	var list, all float64
	n := 0
	for b.Loop() {
		chrome.do(chromedp.Reload())
		chrome.await(`performance.getEntriesByName('netrig-details').length > 0`)
		at := func(mark string) float64 {
			v, _ := chrome.eval(`performance.getEntriesByName('` + mark + `')[0].startTime`).(float64)
			return v
		}
		list, all, n = list+at("netrig-list"), all+at("netrig-details"), n+1
	}
	b.ReportMetric(list/float64(n), "ms/list")
	b.ReportMetric(all/float64(n), "ms/open")
	if os.Getenv("NETRIG_FIGURES") == "1" && all/float64(n) > 1000 {
		b.Errorf("a report opens in %.0f ms, more than 1 s", all/float64(n))
	}
}
