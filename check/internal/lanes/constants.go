package lanes

// The constants of RFC 9496 section 4.1, and what is made of them. The tests
// compare them with the decimal numbers of the document.
var (
	none           element
	one            = everyLane([4]uint64{1})
	edwardsD       = everyLane([4]uint64{0x75eb4dca135978a3, 0x700a4d4141d8ab, 0x8cc740797779e898, 0x52036cee2b6ffe73})
	edwardsD2      = everyLane([4]uint64{0xebd69b9426b2f159, 0xe0149a8283b156, 0x198e80f2eef3d130, 0x2406d9dc56dffce7})
	sqrtM1         = everyLane([4]uint64{0xc4ee1b274a0ea0b0, 0x2f431806ad2fe478, 0x2b4d00993dfbd7a7, 0x2b8324804fc1df0b})
	oneMinusDSq    = everyLane([4]uint64{0xe27c09c1945fc176, 0x2c81a138cd5e350f, 0x9994abddbe70dfe4, 0x29072a8b2b3e0d7})
	dMinusOneSq    = everyLane([4]uint64{0x31ad5aaa44ed4d20, 0xd29e4a2cb01e1999, 0x4cdcd32f529b4eeb, 0x5968b37af66c2241})
	sqrtADMinusOne = everyLane([4]uint64{0x7e97f6a0497b2e1b, 0xaf9d8e0c1b7854bd, 0xf3cfcc931f5d1fd, 0x376931bf2b8348ac})
	invSqrtAMinusD = everyLane([4]uint64{0x99c8fdaa805d40ea, 0x9d2f16175a4172be, 0x16c27b91fe01d840, 0x786c8905cfaffca2})
	minusOne       = everyLane([4]uint64{0xffffffffffffffec, 0xffffffffffffffff, 0xffffffffffffffff, 0x7fffffffffffffff})
)
