// Addresses: an IPv4 row's slots as the addresses that the peers' interfaces want. They are made
// before the clock and the memory's measure run, as a caller has at hand what it was given.
package protocol

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
)

// IPv4 is the prefix of an IPv4 row and its addresses.
type IPv4 struct {
	Net   *net.IPNet
	first uint32
	// Addresses by slot, 4 bytes each.
	Addresses []net.IP
}

// NewIPv4 writes out the addresses of a row's prefix.
func NewIPv4(row Row) (*IPv4, error) {
	_, prefix, err := net.ParseCIDR(row.Prefix)
	if err != nil {
		return nil, err
	}
	v := &IPv4{prefix, binary.BigEndian.Uint32(prefix.IP.To4()), make([]net.IP, row.Slots)}
	bytes := make([]byte, 4*row.Slots)
	for slot := range row.Slots {
		at := bytes[4*slot : 4*slot+4 : 4*slot+4]
		binary.BigEndian.PutUint32(at, v.first+slot)
		v.Addresses[slot] = at
	}
	return v, nil
}

// Slot of an address.
func (v *IPv4) Slot(ip net.IP) (uint32, error) {
	four := ip.To4()
	if four == nil || !v.Net.Contains(four) {
		return 0, fmt.Errorf("%v was given, which is not in %v", ip, v.Net)
	}
	return binary.BigEndian.Uint32(four) - v.first, nil
}

// Addr is a slot's address in the other type of the standard library.
func (v *IPv4) Addr(slot uint32) netip.Addr {
	return netip.AddrFrom4([4]byte(v.Addresses[slot]))
}
