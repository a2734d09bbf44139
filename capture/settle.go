package capture

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Settle returns when no packet is on its way any more between the interfaces
// of the nodes recorded. It waits no longer than ctx allows; the error says
// what kept moving.
//
// A packet that veth_xmit takes over is put into the queue of the CPU that the
// sender runs on (enqueue_to_backlog in net/core/dev.c), and a softirq on that
// CPU gives it to the other end's namespace (process_backlog). Often that
// happens before the sender goes on, but not under load, when the kernel leaves
// it to ksoftirqd: then a packet can be between two interfaces, in no socket
// and in no recording. Each queue is first in, first out. So a marker packet
// is sent over a loopback interface on each CPU, through the same queues; when
// it is received, everything that was queued before it has been processed.
//
// What is processed may be sent on, and be queued again. But it can't without
// being recorded: coming in (__netif_receive_skb_core) and going out
// (dev_queue_xmit_nit). So the markers are repeated until a round brings no
// new packet, nor one that was lost for lack of buffer: if something had been
// under way when the round began, it would have been processed in that round,
// and have been recorded as coming in.
//
// Where an interface has a queue and a NAPI context of its own (veth with GRO
// or XDP switched on; the gro_cells of tunnels), that context and the one of
// the CPU's queue take turns (net_rx_action). A marker may have its turn just
// before such a context, but a second one, sent when the first is back, comes
// after it. Therefore there are two on each CPU; a context that still has
// packets after its turn has recorded some, and so there is another round.
//
// Not seen are: nodes that are not recorded; CPUs that the process may not run
// on; work queues (broadcasts over macvlan and ipvlan, the encryption of
// WireGuard); and packets that wait for something: for a neighbour's answer,
// for a retransmission, in a delaying queueing discipline. For these there is
// [Recording.Pending], which is asked between two rounds without a new packet:
// after the first whatever is to wait does so, in the second what has stopped
// waiting is recorded.
func (r *Recording) Settle(ctx context.Context) error {
	b, err := theBarrier()
	if err != nil {
		return err
	}
	return r.settle(ctx, b.flush)
}

// settle is Settle with a step that flushes what is queued.
func (r *Recording) settle(ctx context.Context, flush func(context.Context) error) error {
	r.mu.Lock()
	pending := r.Pending
	r.mu.Unlock()
	before, err := r.counted()
	if err != nil {
		return err
	}
	const first = 50 * time.Microsecond
	quiet := pending == nil // nothing waited when it was last asked
	for rounds, pause := 1, first; ; rounds++ {
		if err := flush(ctx); err != nil {
			return r.moving(ctx, rounds, err)
		}
		after, err := r.counted()
		if err != nil {
			return err
		}
		if after != before {
			before, pause, quiet = after, first, pending == nil
			if err := ctx.Err(); err != nil {
				return r.moving(ctx, rounds, err)
			}
			continue
		}
		if quiet {
			return nil
		}
		where, waiting := pending()
		if !waiting {
			// It may have stopped waiting since the flush, and be on its way: an
			// error that a CPU is writing about a neighbour that has just failed.
			quiet = true
			continue
		}
		if err := r.arrival(ctx, pause); err != nil {
			return fmt.Errorf("packets still wait in %s: %w", where, err)
		}
		pause = min(2*pause, 5*time.Millisecond)
	}
}

// counted drains and counts what the taps have seen, lost packets included.
func (r *Recording) counted() (int, error) {
	if err := r.Drain(); err != nil {
		return 0, err
	}
	r.mu.Lock()
	taps := slices.Clone(r.taps)
	r.mu.Unlock()
	count := r.store.len()
	for _, t := range taps {
		count += t.dropped()
	}
	return count, nil
}

// arrival waits for the next packet, for a while at most: a queue may also
// empty without one, by dropping.
func (r *Recording) arrival(ctx context.Context, wait time.Duration) error {
	defer r.hurry()()
	_, _, more := r.store.slice(0, 0)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-more:
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// moving is the error of a Settle that did not come to an end.
func (r *Recording) moving(ctx context.Context, rounds int, err error) error {
	if ctx.Err() == nil {
		return fmt.Errorf("settle: %w", err)
	}
	const most = 10
	end := r.store.len()
	window := r.Window(Mark{position: max(0, end-most)}, Mark{position: end})
	if window.Len() == 0 {
		return fmt.Errorf("packets did not settle in %d rounds: %w", rounds, err)
	}
	return fmt.Errorf("packets did not settle in %d rounds: %w; the last ones seen (of %d) are\n%s",
		rounds, err, end, strings.TrimSuffix(window.String(), "\n"))
}
