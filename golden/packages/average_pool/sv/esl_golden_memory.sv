// SPDX-License-Identifier: Apache-2.0
// AXI4 memory of the golden-vector bench: in order, INCR bursts, several outstanding, optional latency and stalls.
// It holds two images: `words`, which the accelerator reads and writes, and `want`, what the package says it must be
// afterwards. Every byte written is compared with `want` in the cycle of its beat, so the first wrong byte is known to
// the cycle. Contents come from the package's $readmemh files through the tasks at the end.
//
// Timing, with c = the cycle of a handshake: first R beat c(AR) + max(latency, 2), later bursts follow without a gap;
// B at c(last W) + max(latency, 2).
module esl_golden_memory #(
    parameter DATA_WIDTH = 64,
    parameter ADDR_WIDTH = 32,
    parameter ID_WIDTH = 1,
    parameter BYTES_LOG2 = 22
) (
    input wire clk,
    input wire rst,
    input wire [31:0] latency,
    input wire [31:0] stall,            // probability per cycle and channel of a withheld handshake, times 2**16
    input wire [63:0] cycle,

    input  wire [ID_WIDTH-1:0]     arid,
    input  wire [ADDR_WIDTH-1:0]   araddr,
    input  wire [7:0]              arlen,
    input  wire                    arvalid,
    output wire                    arready,
    output reg  [ID_WIDTH-1:0]     rid,
    output reg  [DATA_WIDTH-1:0]   rdata,
    output reg  [1:0]              rresp,
    output reg                     rlast,
    output reg                     rvalid,
    input  wire                    rready,
    input  wire [ID_WIDTH-1:0]     awid,
    input  wire [ADDR_WIDTH-1:0]   awaddr,
    input  wire [7:0]              awlen,
    input  wire                    awvalid,
    output wire                    awready,
    input  wire [DATA_WIDTH-1:0]   wdata,
    input  wire [DATA_WIDTH/8-1:0] wstrb,
    input  wire                    wlast,
    input  wire                    wvalid,
    output wire                    wready,
    output reg  [ID_WIDTH-1:0]     bid,
    output reg  [1:0]              bresp,
    output reg                     bvalid,
    input  wire                    bready,

    // the first wrong byte written within [watch_lo, watch_hi), since `clear`
    input  wire                    clear,
    input  wire [31:0]             watch_lo,
    input  wire [31:0]             watch_hi,
    output reg                     wrong,
    output reg  [31:0]             wrong_addr,
    output reg  [63:0]             wrong_cycle
);
    localparam BEAT = DATA_WIDTH / 8;
    localparam BEAT_LOG2 = $clog2(BEAT);
    localparam WORDS = 1 << (BYTES_LOG2 - BEAT_LOG2);
    localparam [1:0] OKAY = 2'b00, DECERR = 2'b11;

    reg [DATA_WIDTH-1:0] words [0:WORDS-1];
    reg [DATA_WIDTH-1:0] want [0:WORDS-1];

    // ---- stalls: a xorshift32 generator, five 16-bit draws of it
    reg [31:0] noise;
    wire [31:0] n1 = noise ^ (noise << 13);
    wire [31:0] n2 = n1 ^ (n1 >> 17);
    wire [31:0] n3 = n2 ^ (n2 << 5);
    reg [31:0] odds;                    // `stall`, which is no register of the clock
    always @(posedge clk) odds <= stall;
    wire stall_ar = {16'd0, n3[15:0]} < odds, stall_r = {16'd0, n3[31:16]} < odds, stall_aw = {16'd0, n1[15:0]} < odds;
    wire stall_w = {16'd0, n2[20:5]} < odds, stall_b = {16'd0, n1[31:16]} < odds;
    always @(posedge clk) noise <= rst ? 32'h2545f491 : stall != 0 ? n3 : noise;

    wire [63:0] delay = latency < 2 ? 64'd1 : {32'd0, latency} - 64'd1;

    // ---- reads: a ring of 16 bursts
    reg [ADDR_WIDTH-1:0] ar_addr [0:15];
    reg [7:0]            ar_len [0:15];
    reg [ID_WIDTH-1:0]   ar_id [0:15];
    reg [63:0]           ar_due [0:15];
    reg [4:0]            ar_in, ar_out;
    reg [7:0]            r_beat;
    wire [3:0] ar_head = ar_out[3:0];
    wire [ADDR_WIDTH-1:0] r_addr = ar_addr[ar_head] + {{(ADDR_WIDTH-8-BEAT_LOG2){1'b0}}, r_beat, {BEAT_LOG2{1'b0}}};
    wire r_inside = (r_addr >> BYTES_LOG2) == 0;
    wire r_free = !rvalid || rready;
    wire r_start = r_free && ar_in != ar_out && cycle >= ar_due[ar_head] && !stall_r;
    assign arready = !rst && !stall_ar && (ar_in ^ ar_out) != 5'b10000;

    // ---- writes
    reg [ADDR_WIDTH-1:0] aw_addr [0:15];
    reg [ID_WIDTH-1:0]   aw_id [0:15];
    reg [63:0]           b_due [0:15];
    reg [4:0]            aw_in, aw_out, b_out;
    reg [7:0]            w_beat;
    wire [3:0] aw_head = aw_out[3:0], b_head = b_out[3:0];
    wire [ADDR_WIDTH-1:0] w_addr = aw_addr[aw_head] + {{(ADDR_WIDTH-8-BEAT_LOG2){1'b0}}, w_beat, {BEAT_LOG2{1'b0}}};
    wire w_inside = (w_addr >> BYTES_LOG2) == 0;
    wire [BYTES_LOG2-BEAT_LOG2-1:0] w_word = w_addr[BYTES_LOG2-1:BEAT_LOG2];
    wire w_take = wvalid && wready;
    wire b_free = !bvalid || bready;
    wire b_start = b_free && b_out != aw_out && cycle >= b_due[b_head] && !stall_b;
    assign awready = !rst && !stall_aw && (aw_in ^ b_out) != 5'b10000;
    assign wready = !rst && aw_in != aw_out && !stall_w;
    wire [DATA_WIDTH-1:0] w_mask;
    genvar g;
    generate
        for (g = 0; g < BEAT; g = g + 1) begin : strobe
            assign w_mask[8*g +: 8] = {8{wstrb[g]}};
        end
    endgenerate

    always @(posedge clk) begin
        if (arvalid && arready) begin
            ar_addr[ar_in[3:0]] <= araddr;
            ar_len[ar_in[3:0]] <= arlen;
            ar_id[ar_in[3:0]] <= arid;
            ar_due[ar_in[3:0]] <= cycle + delay;
            ar_in <= ar_in + 1'b1;
        end
        if (r_free) rvalid <= r_start;
        if (r_start) begin
            rid <= ar_id[ar_head];
            rresp <= r_inside ? OKAY : DECERR;
            rdata <= words[r_addr[BYTES_LOG2-1:BEAT_LOG2]];
            rlast <= r_beat == ar_len[ar_head];
            r_beat <= r_beat == ar_len[ar_head] ? 8'd0 : r_beat + 1'b1;
            if (r_beat == ar_len[ar_head]) ar_out <= ar_out + 1'b1;
        end
        if (awvalid && awready) begin
            aw_addr[aw_in[3:0]] <= awaddr;
            aw_id[aw_in[3:0]] <= awid;
            aw_in <= aw_in + 1'b1;
        end
        if (w_take) begin
            if (w_inside) words[w_word] = (words[w_word] & ~w_mask) | (wdata & w_mask);
            w_beat <= wlast ? 8'd0 : w_beat + 1'b1;
            if (wlast) begin
                b_due[aw_head] <= cycle + delay;
                aw_out <= aw_out + 1'b1;
            end
        end
        if (b_free) bvalid <= b_start;
        if (b_start) begin
            bid <= aw_id[b_head];
            bresp <= OKAY;
            b_out <= b_out + 1'b1;
        end
        if (rst) begin
            {ar_in, ar_out, r_beat, aw_in, aw_out, b_out, w_beat} <= 0;
            {rvalid, bvalid} <= 0;
        end
    end

    // ---- compared as it is written
    integer k;
    always @(posedge clk) begin
        if (clear || rst) wrong <= 1'b0;
        else if (w_take && !wrong && w_inside && w_addr >= watch_lo && w_addr < watch_hi
                 && ((wdata ^ want[w_word]) & w_mask) !== {DATA_WIDTH{1'b0}}) begin
            wrong <= 1'b1;
            wrong_cycle <= cycle;
            for (k = BEAT - 1; k >= 0; k = k - 1)
                if (wstrb[k] && wdata[8*k +: 8] !== want[w_word][8*k +: 8]) wrong_addr <= w_addr + k;
        end
    end

    // ---- contents, only while the bus is idle
    task fill(input [31:0] count, input [DATA_WIDTH-1:0] value);
        integer i;
        for (i = 0; i < count; i = i + 1) begin
            words[i] = value;
            want[i] = value;
        end
    endtask

    task load(input [8*1024-1:0] path, input [31:0] first, input [31:0] count, input given);
        begin
            $readmemh(path, want, first, first + count - 1);
            if (given) $readmemh(path, words, first, first + count - 1);
        end
    endtask

    // Two sums over 32-bit parts, sum(u) and sum((i + 1) * u): one flipped bit changes them by +-2**b and by the
    // (i + 1)-fold of that, which tells where it is.
    task sums(input [31:0] first, input [31:0] count, output [63:0] plain, output [63:0] weighted);
        integer i, j;
        reg [63:0] part, number;
        begin
            plain = 0;
            weighted = 0;
            number = 1;
            for (i = first; i < first + count; i = i + 1)
                for (j = 0; j < DATA_WIDTH / 32; j = j + 1) begin
                    part = {32'd0, want[i][32*j +: 32]};
                    plain = plain + part;
                    weighted = weighted + number * part;
                    number = number + 1;
                end
        end
    endtask

    function [7:0] byte_of(input [31:0] addr);
        byte_of = words[addr >> BEAT_LOG2][8 * (addr & (BEAT - 1)) +: 8];
    endfunction

    function [7:0] want_of(input [31:0] addr);
        want_of = want[addr >> BEAT_LOG2][8 * (addr & (BEAT - 1)) +: 8];
    endfunction
endmodule
