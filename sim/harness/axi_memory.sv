// SPDX-License-Identifier: Apache-2.0
// AXI4 memory beside the accelerator: in-order, INCR bursts, several outstanding, with latency, bandwidth, random
// stalls on all five channels and injected errors. All `cfg_*` inputs may change while no burst is outstanding.
//
// Timing, with c = the cycle of a handshake:
//   first R beat of an idle memory  c(AR) + max(cfg_latency, 2); later bursts follow without a gap
//   B response                      c(last W) + max(cfg_latency, 2)
//   beats                           one per (cfg_gap + 1) cycles and direction
// A stall is drawn per channel and cycle with probability cfg_stall / 65536: it withholds `ready` on AR, AW, W and
// delays a new `valid` on R, B (which, once up, stays up as AXI4 demands).
module axi_memory #(
    parameter DATA_WIDTH = 64,
    parameter ADDR_WIDTH = 32,
    parameter ID_WIDTH = 1,
    parameter BYTES_LOG2 = 24,
    parameter QUEUE_LOG2 = 4
) (
    input wire clk,
    input wire rst,

    input wire [15:0] cfg_latency,
    input wire [15:0] cfg_gap,
    input wire [15:0] cfg_stall,
    input wire [31:0] cfg_seed,
    input wire        cfg_restart,        // one cycle: reseed the stalls and clear the burst counters
    input wire        cfg_read_fault,     // answer read burst number cfg_fault_index with cfg_fault_resp
    input wire        cfg_write_fault,    // the same for write bursts
    input wire        cfg_range_fault,    // answer bursts that start in [cfg_fault_lo, cfg_fault_hi) that way
    input wire [31:0] cfg_fault_index,
    input wire [ADDR_WIDTH-1:0] cfg_fault_lo,
    input wire [ADDR_WIDTH-1:0] cfg_fault_hi,
    input wire [1:0]  cfg_fault_resp,

    input wire        file_load,          // one cycle: read <memory>.load.<file_index>.hex over a cleared memory
    input wire        file_dump,          // one cycle: write words [dump_lo, dump_hi] to <memory>.dump.<file_index>.hex
    input wire [31:0] file_index,
    input wire [31:0] dump_lo,
    input wire [31:0] dump_hi,

    output reg [31:0] read_bursts,
    output reg [31:0] read_beats,
    output reg [31:0] write_bursts,
    output reg [31:0] write_beats,

    input  wire [ID_WIDTH-1:0]     arid,
    input  wire [ADDR_WIDTH-1:0]   araddr,
    input  wire [7:0]              arlen,
    input  wire [2:0]              arsize,
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
    input  wire [2:0]              awsize,
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
    input  wire                    bready
);
    localparam STRB_WIDTH = DATA_WIDTH / 8;
    localparam WORD_LOG2 = $clog2(STRB_WIDTH);
    localparam WORDS = 1 << (BYTES_LOG2 - WORD_LOG2);
    localparam DEPTH = 1 << QUEUE_LOG2;
    localparam [1:0] OKAY = 2'b00, DECERR = 2'b11;

    reg [DATA_WIDTH-1:0] words [0:WORDS-1];
    reg [31:0] now;
    wire [31:0] delay = cfg_latency < 16'd2 ? 32'd1 : {16'd0, cfg_latency} - 32'd1;

    // ---- stalls: one xorshift32 per channel, so that the channels are independent and a seed repeats a run
    wire [4:0] stall;
    generate
        for (genvar c = 0; c < 5; c++) begin : channel
            reg [31:0] state;
            wire [31:0] s1 = state ^ (state << 13);
            wire [31:0] s2 = s1 ^ (s1 >> 17);
            wire [31:0] seed = (cfg_seed + 32'd1) * 32'h9e3779b1 ^ (32'd1 << c);
            assign stall[c] = state[31:16] < cfg_stall;
            always @(posedge clk)
                if (rst || cfg_restart) state <= seed == 32'd0 ? 32'd1 : seed;  // zero is xorshift's fixed point
                else if (cfg_stall != 16'd0) state <= s2 ^ (s2 << 5);
        end
    endgenerate
    wire stall_ar = stall[0], stall_r = stall[1], stall_aw = stall[2], stall_w = stall[3], stall_b = stall[4];

    function automatic [1:0] response(input [ADDR_WIDTH-1:0] addr, input fault, input [31:0] index);
        if ((addr >> BYTES_LOG2) != 0) return DECERR;
        if (fault && index == cfg_fault_index) return cfg_fault_resp;
        if (cfg_range_fault && addr >= cfg_fault_lo && addr < cfg_fault_hi) return cfg_fault_resp;
        return OKAY;
    endfunction

    function automatic [ADDR_WIDTH-1:0] following(input [ADDR_WIDTH-1:0] addr, input [2:0] size);
        return ((addr >> size) + 1) << size;
    endfunction

    // ---- reads
    reg [ADDR_WIDTH-1:0] ar_addr [0:DEPTH-1];
    reg [7:0]            ar_len  [0:DEPTH-1];
    reg [2:0]            ar_size [0:DEPTH-1];
    reg [ID_WIDTH-1:0]   ar_id   [0:DEPTH-1];
    reg [1:0]            ar_resp [0:DEPTH-1];
    reg [31:0]           ar_due  [0:DEPTH-1];
    reg [QUEUE_LOG2:0]   ar_in, ar_out;
    wire [QUEUE_LOG2-1:0] ar_tail = ar_in[QUEUE_LOG2-1:0], ar_head = ar_out[QUEUE_LOG2-1:0];
    reg [7:0]            r_beat;
    reg [ADDR_WIDTH-1:0] r_next;
    reg [15:0]           r_gap;

    assign arready = !rst && !stall_ar && (ar_in ^ ar_out) != {1'b1, {QUEUE_LOG2{1'b0}}};
    wire r_free = !rvalid || rready;
    wire r_start = r_free && ar_in != ar_out && now - ar_due[ar_head] < 32'h8000_0000 && r_gap == 0 && !stall_r;
    wire [ADDR_WIDTH-1:0] r_addr = r_beat == 0 ? ar_addr[ar_head] : r_next;
    wire r_final = r_beat == ar_len[ar_head];

    always @(posedge clk) begin
        if (arvalid && arready) begin
            ar_addr[ar_tail] <= araddr;
            ar_len[ar_tail] <= arlen;
            ar_size[ar_tail] <= arsize;
            ar_id[ar_tail] <= arid;
            ar_resp[ar_tail] <= response(araddr, cfg_read_fault, read_bursts);
            ar_due[ar_tail] <= now + delay;
            ar_in <= ar_in + 1'b1;
            read_bursts <= read_bursts + 1;
        end
        if (r_gap != 0) r_gap <= r_gap - 1'b1;
        if (r_free) rvalid <= r_start;
        if (r_start) begin
            rid <= ar_id[ar_head];
            rresp <= ar_resp[ar_head];
            rdata <= ar_resp[ar_head] == OKAY ? words[r_addr[BYTES_LOG2-1:WORD_LOG2]] : {STRB_WIDTH{8'hee}};
            rlast <= r_final;
            r_beat <= r_final ? 8'd0 : r_beat + 1'b1;
            r_next <= following(r_addr, ar_size[ar_head]);
            r_gap <= cfg_gap;
            if (r_final) ar_out <= ar_out + 1'b1;
            read_beats <= read_beats + 1;
        end
        if (rst) begin
            {ar_in, ar_out, r_beat, r_gap} <= 0;
            rvalid <= 1'b0;
        end
        if (rst || cfg_restart) {read_bursts, read_beats} <= 0;
    end

    // ---- writes
    reg [ADDR_WIDTH-1:0] aw_addr [0:DEPTH-1];
    reg [2:0]            aw_size [0:DEPTH-1];
    reg [ID_WIDTH-1:0]   aw_id   [0:DEPTH-1];
    reg [1:0]            aw_resp [0:DEPTH-1];
    reg [QUEUE_LOG2:0]   aw_in, aw_out;
    wire [QUEUE_LOG2-1:0] aw_tail = aw_in[QUEUE_LOG2-1:0], aw_head = aw_out[QUEUE_LOG2-1:0];
    reg                  w_first;
    reg [ADDR_WIDTH-1:0] w_next;
    reg [15:0]           w_gap;
    reg [ID_WIDTH-1:0]   b_id   [0:DEPTH-1];
    reg [1:0]            b_resp [0:DEPTH-1];
    reg [31:0]           b_due  [0:DEPTH-1];
    reg [QUEUE_LOG2:0]   b_in, b_out;
    wire [QUEUE_LOG2-1:0] b_tail = b_in[QUEUE_LOG2-1:0], b_head = b_out[QUEUE_LOG2-1:0];

    // A burst holds its place until its response is given, so one bound serves the address and response queues.
    assign awready = !rst && !stall_aw && (aw_in ^ b_out) != {1'b1, {QUEUE_LOG2{1'b0}}};
    assign wready = aw_in != aw_out && w_gap == 0 && !stall_w;
    wire w_take = wvalid && wready;
    wire [ADDR_WIDTH-1:0] w_addr = w_first ? aw_addr[aw_head] : w_next;
    wire [BYTES_LOG2-WORD_LOG2-1:0] w_word = w_addr[BYTES_LOG2-1:WORD_LOG2];
    wire [DATA_WIDTH-1:0] w_mask;
    generate
        for (genvar i = 0; i < STRB_WIDTH; i++) begin : strobe
            assign w_mask[8*i +: 8] = {8{wstrb[i]}};
        end
    endgenerate
    wire b_free = !bvalid || bready;
    wire b_start = b_free && b_in != b_out && now - b_due[b_head] < 32'h8000_0000 && !stall_b;

    always @(posedge clk) begin
        if (awvalid && awready) begin
            aw_addr[aw_tail] <= awaddr;
            aw_size[aw_tail] <= awsize;
            aw_id[aw_tail] <= awid;
            aw_resp[aw_tail] <= response(awaddr, cfg_write_fault, write_bursts);
            aw_in <= aw_in + 1'b1;
            write_bursts <= write_bursts + 1;
        end
        if (w_gap != 0) w_gap <= w_gap - 1'b1;
        if (w_take) begin
            w_first <= wlast;
            w_next <= following(w_addr, aw_size[aw_head]);
            w_gap <= cfg_gap;
            write_beats <= write_beats + 1;
        end
        if (w_take && wlast) begin
            aw_out <= aw_out + 1'b1;
            b_id[b_tail] <= aw_id[aw_head];
            b_resp[b_tail] <= aw_resp[aw_head];
            b_due[b_tail] <= now + delay;
            b_in <= b_in + 1'b1;
        end
        if (b_free) bvalid <= b_start;
        if (b_start) begin
            bid <= b_id[b_head];
            bresp <= b_resp[b_head];
            b_out <= b_out + 1'b1;
        end
        if (rst) begin
            {aw_in, aw_out, b_in, b_out, w_gap} <= 0;
            w_first <= 1'b1;
            bvalid <= 1'b0;
        end
        if (rst || cfg_restart) {write_bursts, write_beats} <= 0;
    end

    // ---- contents. Blocking assignments: files and bursts never meet, because files move while the bus is idle.
    string prefix;
    initial begin
        now = 0;
        if (!$value$plusargs("memory=%s", prefix)) prefix = "memory";
    end
    always @(posedge clk) begin
        now <= now + 1;
        if (w_take && aw_resp[aw_head] == OKAY)
            words[w_word] = (words[w_word] & ~w_mask) | (wdata & w_mask);
        if (file_load) begin
            for (int i = 0; i < WORDS; i++) words[i] = 0;
            $readmemh($sformatf("%s.load.%0d.hex", prefix, file_index), words);
        end
        if (file_dump)
            $writememh($sformatf("%s.dump.%0d.hex", prefix, file_index), words, dump_lo, dump_hi);
    end
endmodule
