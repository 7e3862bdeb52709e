//go:build !purego

#include "textflag.h"

DATA digits<>+0(SB)/8, $"01234567"
DATA digits<>+8(SB)/8, $"89ABCDEF"
GLOBL digits<>(SB), RODATA|NOPTR, $16

DATA nibble<>+0(SB)/8, $0x0F0F0F0F0F0F0F0F
DATA nibble<>+8(SB)/8, $0x0F0F0F0F0F0F0F0F
GLOBL nibble<>(SB), RODATA|NOPTR, $16

// func textLinesSSSE3(dst, digits, tails *byte, counts *uint64, n, stride, tail int, ends *uint64, pairs *uint16) (done, length int)
TEXT ·textLinesSSSE3(SB), NOSPLIT, $0-88
	MOVQ  dst+0(FP), DI
	MOVQ  digits+8(FP), R8
	MOVQ  tails+16(FP), SI
	MOVQ  counts+24(FP), R9
	MOVQ  n+32(FP), CX
	MOVQ  stride+40(FP), DX
	MOVQ  tail+48(FP), R10
	MOVQ  ends+56(FP), R11
	MOVQ  pairs+64(FP), R12
	MOVOU digits<>(SB), X6
	MOVOU nibble<>(SB), X7
	LEAQ  digits<>(SB), R13
	LEAQ  1(R10*2), R10         // where the end of a line begins
	XORQ  BX, BX                // lines done

line:
	MOVQ (R9)(BX*8), AX
	CMPQ AX, $1000
	JAE  out

	// 16 bytes of the tail: 32 digits.
	MOVOU     (SI), X0
	MOVO      X0, X1
	PSRLW     $4, X0
	PAND      X7, X0            // high digits
	PAND      X7, X1            // low digits
	MOVO      X0, X2
	PUNPCKLBW X1, X0            // both, in turns, of the first 8 bytes
	PUNPCKHBW X1, X2            // and of the others
	MOVO      X6, X3
	MOVO      X6, X4
	PSHUFB    X0, X3
	PSHUFB    X2, X4
	MOVOU     X3, 1(DI)
	MOVOU     X4, 17(DI)

	// Its last byte, the digit before it, and the end.
	MOVBLZX 16(SI), R14
	MOVWLZX (R12)(R14*2), R14
	MOVW    R14, 33(DI)
	MOVBLZX (R8)(BX*1), R14
	ANDL    $15, R14
	MOVBLZX (R13)(R14*1), R14
	MOVB    R14, (DI)
	MOVQ    (R11)(AX*8), AX
	MOVQ    AX, (DI)(R10*1)
	SHRQ    $56, AX
	ADDQ    R10, AX
	ADDQ    AX, DI
	ADDQ    DX, SI
	INCQ    BX
	CMPQ    BX, CX
	JLT     line

out:
	MOVQ BX, done+72(FP)
	SUBQ dst+0(FP), DI
	MOVQ DI, length+80(FP)
	RET

DATA digit0<>+0(SB)/8, $0x3030303030303030
DATA digit0<>+8(SB)/8, $0x3030303030303030
GLOBL digit0<>(SB), RODATA|NOPTR, $16

DATA nine<>+0(SB)/8, $0x0909090909090909
DATA nine<>+8(SB)/8, $0x0909090909090909
GLOBL nine<>(SB), RODATA|NOPTR, $16

DATA lower<>+0(SB)/8, $0x2020202020202020
DATA lower<>+8(SB)/8, $0x2020202020202020
GLOBL lower<>(SB), RODATA|NOPTR, $16

DATA letterA<>+0(SB)/8, $0x6161616161616161
DATA letterA<>+8(SB)/8, $0x6161616161616161
GLOBL letterA<>(SB), RODATA|NOPTR, $16

DATA five<>+0(SB)/8, $0x0505050505050505
DATA five<>+8(SB)/8, $0x0505050505050505
GLOBL five<>(SB), RODATA|NOPTR, $16

DATA ten<>+0(SB)/8, $0x0A0A0A0A0A0A0A0A
DATA ten<>+8(SB)/8, $0x0A0A0A0A0A0A0A0A
GLOBL ten<>(SB), RODATA|NOPTR, $16

DATA weights<>+0(SB)/8, $0x0110011001100110
DATA weights<>+8(SB)/8, $0x0110011001100110
GLOBL weights<>(SB), RODATA|NOPTR, $16

// func parseHexSSSE3(dst, src *byte, n int) bool
TEXT ·parseHexSSSE3(SB), NOSPLIT, $0-25
	MOVQ    dst+0(FP), DI
	MOVQ    src+8(FP), SI
	MOVQ    n+16(FP), CX
	SUBQ    $8, CX              // where the last 8 bytes begin
	XORQ    BX, BX
	PCMPEQB X7, X7              // all right until now
	MOVOU   digit0<>(SB), X8
	MOVOU   nine<>(SB), X9
	MOVOU   lower<>(SB), X10
	MOVOU   letterA<>(SB), X11
	MOVOU   five<>(SB), X12
	MOVOU   ten<>(SB), X13
	MOVOU   weights<>(SB), X14

bytes:
	MOVOU     (SI)(BX*2), X0
	MOVO      X0, X1
	PSUBB     X8, X0
	MOVO      X0, X2
	PMINUB    X9, X2
	PCMPEQB   X0, X2            // it is 0 to 9
	POR       X10, X1
	PSUBB     X11, X1
	MOVO      X1, X3
	PMINUB    X12, X3
	PCMPEQB   X1, X3            // it is A to F or a to f
	PADDB     X13, X1
	PAND      X2, X0
	PAND      X3, X1
	POR       X1, X0
	POR       X3, X2
	PAND      X2, X7
	PMADDUBSW X14, X0           // 16 times the first digit and the second
	PACKUSWB  X0, X0
	MOVQ      X0, (DI)(BX*1)
	CMPQ      BX, CX
	JEQ       done
	ADDQ      $8, BX
	CMPQ      BX, CX
	JLE       bytes
	MOVQ      CX, BX            // the last 8, some of them once more
	JMP       bytes

done:
	PMOVMSKB X7, AX
	CMPL     AX, $0xFFFF
	SETEQ    ret+24(FP)
	RET
