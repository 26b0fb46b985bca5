// cidrset: the node prefixes of Kubernetes' node IPAM controller, one bit each in a big.Int.
//
// It goes round: the next one is looked for after the last one given. In a fill row that gives the
// same order as first-free, since every slot is released before the next round.
package main

import (
	"encoding/binary"
	"fmt"
	"net"

	"berth.dev/bench/peers/protocol"
	"k8s.io/kubernetes/pkg/controller/nodeipam/ipam/cidrset"
)

type nodePrefixes struct {
	set      *cidrset.CidrSet
	first    uint64
	prefixes []*net.IPNet
}

// Allocate counts /64s from the left half of the address.
func (n *nodePrefixes) Allocate() (uint32, error) {
	prefix, err := n.set.AllocateNext()
	if err != nil {
		return 0, err
	}
	slot := binary.BigEndian.Uint64(prefix.IP[:8]) - n.first
	if slot >= uint64(len(n.prefixes)) {
		return 0, fmt.Errorf("%v was given, which is not in the row's prefix", prefix)
	}
	return uint32(slot), nil
}

func (n *nodePrefixes) Release(slot uint32) error {
	return n.set.Release(n.prefixes[slot])
}

// prepare writes out the prefixes of the row.
func prepare(row protocol.Row) (protocol.Maker, error) {
	_, cluster, err := net.ParseCIDR(row.Prefix)
	if err != nil {
		return nil, err
	}
	first := binary.BigEndian.Uint64(cluster.IP[:8])
	prefixes := make([]*net.IPNet, row.Slots)
	for slot := range row.Slots {
		ip := make(net.IP, net.IPv6len)
		binary.BigEndian.PutUint64(ip, first+uint64(slot))
		prefixes[slot] = &net.IPNet{IP: ip, Mask: net.CIDRMask(row.Length, 128)}
	}
	return func() (protocol.Allocator, error) {
		set, err := cidrset.NewCIDRSet(cluster, row.Length)
		return &nodePrefixes{set, first, prefixes}, err
	}, nil
}

func main() {
	peer := protocol.Peer{Name: "Kubernetes cidrset", Module: "k8s.io/kubernetes"}
	for _, row := range protocol.Rows {
		if row.Length == 64 {
			can := protocol.PeerRow{Row: row.Name, Policy: "next", Common: true, Prepare: prepare}
			peer.Rows = append(peer.Rows, can)
			continue
		}
		reason := "it hands out node prefixes, not addresses"
		peer.Left = append(peer.Left, protocol.LeftRow{Row: row.Name, Reason: reason})
	}
	protocol.Main(peer)
}
