// Package capture records the packets of network namespaces: every interface
// of every node, in both directions, in one store ordered by the kernel's
// time stamps.
//
//	recording := capture.New()
//	defer recording.Close()
//	recording.Attach("ns0", ns0)         // records from here on
//	from := recording.Mark()
//	...                                   // traffic
//	recording.Settle(ctx)                 // no packet is on its way any more
//	window := recording.Window(from, recording.Mark())
//	fmt.Println(window)                   // the story, one line a packet
//	flight := window.Follow(window.First(capture.Match{Kind: capture.EchoRequest}))
//
// Nothing here waits for a fixed time: what the kernel has queued is drained,
// what is still between two interfaces is flushed out by markers (see
// [Recording.Settle]), and what is not there yet is waited for with a context
// (see [Recording.Wait]).
package capture
