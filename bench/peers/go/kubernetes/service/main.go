// service: Kubernetes' bitmap allocator for the addresses of services, in memory. It starts at a
// random bit of the upper part of its range, so its order is its own.
//
// Newer clusters allocate by creating IPAddress objects in the API server. What that costs is the
// server's time, so the bitmap, which needs none, is what stands beside other allocators here.
package main

import (
	"berth.dev/bench/peers/protocol"
	"k8s.io/kubernetes/pkg/registry/core/service/ipallocator"
)

type services struct {
	*protocol.IPv4
	bits *ipallocator.Range
}

func (s *services) Allocate() (uint32, error) {
	ip, err := s.bits.AllocateNext()
	if err != nil {
		return 0, err
	}
	return s.Slot(ip)
}

func (s *services) Release(slot uint32) error {
	return s.bits.Release(s.Addresses[slot])
}

// Hold asks for the addresses by name.
func (s *services) Hold(slots []uint32) error {
	for _, slot := range slots {
		if err := s.bits.Allocate(s.Addresses[slot]); err != nil {
			return err
		}
	}
	return nil
}

func prepare(row protocol.Row) (protocol.Maker, error) {
	v, err := protocol.NewIPv4(row)
	return func() (protocol.Allocator, error) {
		bits, err := ipallocator.NewInMemory(v.Net)
		return &services{v, bits}, err
	}, err
}

func main() {
	peer := protocol.Peer{Name: "Kubernetes services", Module: "k8s.io/kubernetes"}
	for _, row := range protocol.Rows {
		if row.Length == 32 {
			can := protocol.PeerRow{Row: row.Name, Policy: "random", Prepare: prepare}
			peer.Rows = append(peer.Rows, can)
			continue
		}
		reason := "it hands out addresses, not prefixes"
		peer.Left = append(peer.Left, protocol.LeftRow{Row: row.Name, Reason: reason})
	}
	protocol.Main(peer)
}
