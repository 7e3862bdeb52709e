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

// func deflatePairsBMI2(dst, text *byte, n int, pairs *uint32, acc, bits uint64) (length int, left, leftBits uint64)
TEXT ·deflatePairsBMI2(SB), NOSPLIT, $0-72
	MOVQ dst+0(FP), DI
	MOVQ text+8(FP), SI
	MOVQ n+16(FP), CX
	MOVQ pairs+24(FP), R8
	MOVQ acc+32(FP), AX
	MOVQ bits+40(FP), BX

eight:
	MOVQ    (SI), R9
	MOVWLZX R9, R10
	MOVL    (R8)(R10*4), R10
	SHRQ    $16, R9
	MOVWLZX R9, R11
	MOVL    (R8)(R11*4), R11
	SHRQ    $16, R9
	MOVWLZX R9, R12
	MOVL    (R8)(R12*4), R12
	SHRQ    $16, R9
	MOVL    (R8)(R9*4), R13

	// Two pairs each: a shift takes the low 6 bits of an entry, which are its length.
	MOVL  R11, R9
	SHRL  $6, R9
	SHLXQ R10, R9, R9
	MOVL  R10, DX
	SHRL  $6, DX
	ORQ   R9, DX                // the first 24 bits at most
	MOVL  R13, R9
	SHRL  $6, R9
	SHLXQ R12, R9, R9
	ADDL  R11, R10
	MOVL  R12, R11
	SHRL  $6, R11
	ORQ   R9, R11               // and the others
	SHLXQ R10, R11, R11
	ORQ   R11, DX
	ADDL  R12, R10
	ADDL  R13, R10
	ANDL  $63, R10              // how many bits these are

	SHLXQ BX, DX, DX
	ORQ   DX, AX
	ADDQ  R10, BX
	MOVQ  AX, (DI)
	MOVQ  BX, R9
	SHRQ  $3, R9
	ADDQ  R9, DI
	MOVQ  BX, R9
	ANDQ  $-8, R9
	SHRXQ R9, AX, AX
	ANDQ  $7, BX
	ADDQ  $8, SI
	DECQ  CX
	JNZ   eight

	SUBQ dst+0(FP), DI
	MOVQ DI, length+48(FP)
	MOVQ AX, left+56(FP)
	MOVQ BX, leftBits+64(FP)
	RET
