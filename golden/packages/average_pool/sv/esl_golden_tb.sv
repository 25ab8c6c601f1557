// SPDX-License-Identifier: Apache-2.0
// Self-checking bench for golden-vector packages: plain SystemVerilog, no UVM, no DPI, nothing but a simulator.
//
//   +package=DIR    folder of the package (default .): DIR/replay.txt is the script that this bench carries out
//   +latency=N      cycles from an address to its first beat (default 32)     +stall=N   percent of stalled handshakes
//   +timeout=N      cycles without an interrupt that count as a hang; default: what the script says
//
// Ends with one line, `PASS ...` and exit status 0, or `FAIL ...` and another status. The accelerator under test is
// module `esl_accel`; a design with other names needs a wrapper of that name and these ports. Its inputs are registers
// of the rising edge, so that every simulator samples the same values; the script asks for them at the falling edge.
`timescale 1ns / 1ps

module esl_golden_tb #(
    parameter DATA_WIDTH = 64,
    parameter ADDR_WIDTH = 32,
    parameter ID_WIDTH = 1,
    parameter LITE_WIDTH = 12,
    parameter BYTES_LOG2 = 22
);
    localparam BEAT = DATA_WIDTH / 8;
    localparam MOST_TENSORS = 1024;
    localparam TEXT = 8 * 1024;

    reg clk = 1'b0, rst = 1'b1, reset = 1'b1, clear = 1'b0;
    always #5 clk = !clk;
    reg [31:0] latency = 32, stall = 0, patience = 0;
    reg [63:0] cycle = 0, doorbell = 0, done = 0;

    // ---- device under test and its two links
    wire irq;
    reg  [LITE_WIDTH-1:0] s_awaddr = 0, s_araddr = 0;
    reg  [31:0] s_wdata = 0;
    reg  s_awvalid = 0, s_wvalid = 0, s_arvalid = 0;
    wire s_awready, s_wready, s_bvalid, s_arready, s_rvalid;
    wire [31:0] s_rdata;
    wire [1:0] s_bresp, s_rresp;
    wire [ID_WIDTH-1:0] arid, rid, awid, bid;
    wire [ADDR_WIDTH-1:0] araddr, awaddr;
    wire [7:0] arlen, awlen;
    wire [2:0] arsize, awsize, arprot, awprot;
    wire [1:0] arburst, awburst, rresp, bresp;
    wire arvalid, arready, rlast, rvalid, rready, awvalid, awready, wlast, wvalid, wready, bvalid, bready;
    wire [DATA_WIDTH-1:0] rdata, wdata;
    wire [BEAT-1:0] wstrb;

    esl_accel dut (
        .clk(clk), .rst(rst), .irq(irq),
        .s_axil_awaddr(s_awaddr), .s_axil_awvalid(s_awvalid), .s_axil_awready(s_awready),
        .s_axil_wdata(s_wdata), .s_axil_wstrb(4'hf), .s_axil_wvalid(s_wvalid), .s_axil_wready(s_wready),
        .s_axil_bresp(s_bresp), .s_axil_bvalid(s_bvalid), .s_axil_bready(1'b1),
        .s_axil_araddr(s_araddr), .s_axil_arvalid(s_arvalid), .s_axil_arready(s_arready),
        .s_axil_rdata(s_rdata), .s_axil_rresp(s_rresp), .s_axil_rvalid(s_rvalid), .s_axil_rready(1'b1),
        .m_axi_arid(arid), .m_axi_araddr(araddr), .m_axi_arlen(arlen), .m_axi_arsize(arsize), .m_axi_arburst(arburst),
        .m_axi_arprot(arprot), .m_axi_arvalid(arvalid), .m_axi_arready(arready),
        .m_axi_rid(rid), .m_axi_rdata(rdata), .m_axi_rresp(rresp), .m_axi_rlast(rlast),
        .m_axi_rvalid(rvalid), .m_axi_rready(rready),
        .m_axi_awid(awid), .m_axi_awaddr(awaddr), .m_axi_awlen(awlen), .m_axi_awsize(awsize), .m_axi_awburst(awburst),
        .m_axi_awprot(awprot), .m_axi_awvalid(awvalid), .m_axi_awready(awready),
        .m_axi_wdata(wdata), .m_axi_wstrb(wstrb), .m_axi_wlast(wlast), .m_axi_wvalid(wvalid), .m_axi_wready(wready),
        .m_axi_bid(bid), .m_axi_bresp(bresp), .m_axi_bvalid(bvalid), .m_axi_bready(bready)
    );

    wire wrong;
    wire [31:0] wrong_addr;
    wire [63:0] wrong_cycle;
    reg [31:0] watch_lo = 0, watch_hi = 0;
    esl_golden_memory #(
        .DATA_WIDTH(DATA_WIDTH), .ADDR_WIDTH(ADDR_WIDTH), .ID_WIDTH(ID_WIDTH), .BYTES_LOG2(BYTES_LOG2)
    ) memory (
        .clk(clk), .rst(rst), .latency(latency), .stall(stall), .cycle(cycle),
        .arid(arid), .araddr(araddr), .arlen(arlen), .arvalid(arvalid), .arready(arready),
        .rid(rid), .rdata(rdata), .rresp(rresp), .rlast(rlast), .rvalid(rvalid), .rready(rready),
        .awid(awid), .awaddr(awaddr), .awlen(awlen), .awvalid(awvalid), .awready(awready),
        .wdata(wdata), .wstrb(wstrb), .wlast(wlast), .wvalid(wvalid), .wready(wready),
        .bid(bid), .bresp(bresp), .bvalid(bvalid), .bready(bready),
        .clear(clear), .watch_lo(watch_lo), .watch_hi(watch_hi),
        .wrong(wrong), .wrong_addr(wrong_addr), .wrong_cycle(wrong_cycle)
    );

    wire [31:0] bus_wrong;
    reg bus_on = 1'b0;
    esl_golden_bus #(.DATA_WIDTH(DATA_WIDTH), .ADDR_WIDTH(ADDR_WIDTH)) bus (
        .clk(clk), .on(bus_on), .cycle(cycle), .araddr(araddr), .arlen(arlen), .ar(arvalid && arready),
        .awaddr(awaddr), .awlen(awlen), .aw(awvalid && awready),
        .wdata(wdata), .wstrb(wstrb), .wlast(wlast), .w(wvalid && wready), .wrong(bus_wrong)
    );

    // ---- registers: one access at a time, which a task asks for and waits for
    reg irq_before = 1'b0, writing = 1'b0, reading = 1'b0, write_asked = 1'b0, read_asked = 1'b0;
    reg [31:0] asked_offset, asked_value, answer;
    always @(posedge clk) begin
        rst <= reset;
        cycle <= rst ? 64'd0 : cycle + 64'd1;
        irq_before <= irq && !rst;
        if (irq && !irq_before) done <= cycle;

        writing <= write_asked && !(writing && s_bvalid);
        if (write_asked && !writing) begin
            s_awaddr <= asked_offset[LITE_WIDTH-1:0];
            s_wdata <= asked_value;
            {s_awvalid, s_wvalid} <= 2'b11;
        end else begin
            if (s_awready) s_awvalid <= 1'b0;
            if (s_wready) s_wvalid <= 1'b0;
        end
        if (s_wvalid && s_wready) doorbell <= cycle;

        reading <= read_asked && !(reading && s_rvalid);
        if (read_asked && !reading) begin
            s_araddr <= asked_offset[LITE_WIDTH-1:0];
            s_arvalid <= 1'b1;
        end else if (s_arready) s_arvalid <= 1'b0;
        if (s_rvalid) answer <= s_rdata;
    end

    task write_register(input [31:0] offset, input [31:0] value);
        begin
            @(negedge clk);
            asked_offset = offset;
            asked_value = value;
            write_asked = 1'b1;
            @(negedge clk);
            while (writing) @(negedge clk);
            write_asked = 1'b0;
        end
    endtask

    task read_register(input [31:0] offset);
        begin
            @(negedge clk);
            asked_offset = offset;
            read_asked = 1'b1;
            @(negedge clk);
            while (reading) @(negedge clk);
            read_asked = 1'b0;
        end
    endtask

    // ---- what is known of the run
    reg [TEXT-1:0] folder, file, path, run_name, verb, name;
    reg [TEXT-1:0] t_name [0:MOST_TENSORS-1];
    reg [31:0] t_addr [0:MOST_TENSORS-1], t_rows [0:MOST_TENSORS-1], t_row_bytes [0:MOST_TENSORS-1];
    reg [31:0] t_pitch [0:MOST_TENSORS-1], t_width [0:MOST_TENSORS-1], t_channels [0:MOST_TENSORS-1];
    integer tensors = 0, runs = 0, problems = 0, run_problems = 0, compared = 0;
    reg [63:0] cycles = 0, run_cycles = 0, bell = 0;     // bell: cycle of the run's doorbell

    // Index in its tensor of the byte at `addr`; -1 if `addr` fills up a row.
    function integer element(input integer t, input [31:0] addr);
        reg [31:0] row, column;
        begin
            row = (addr - t_addr[t]) / t_pitch[t];
            column = (addr - t_addr[t]) % t_pitch[t];
            element = column < t_row_bytes[t] ? row * t_row_bytes[t] + column : -1;
        end
    endfunction

    function integer tensor_at(input [31:0] addr);
        integer t;
        begin
            tensor_at = -1;
            for (t = 0; t < tensors; t = t + 1)
                if (addr >= t_addr[t] && addr < t_addr[t] + t_rows[t] * t_pitch[t]) tensor_at = t;
        end
    endfunction

    task print_place(input integer t, input [31:0] addr);
        integer e;
        begin
            e = element(t, addr);
            if (e < 0) $write(" tensor=%0s fill_byte_at=0x%h", t_name[t], addr);
            else $write(" tensor=%0s y=%0d x=%0d channel=%0d", t_name[t], e / (t_width[t] * t_channels[t]),
                        e / t_channels[t] % t_width[t], e % t_channels[t]);
        end
    endtask

    task divergence(input integer t, input [31:0] addr, input [63:0] at);
        begin
            $write("FIRST DIVERGENCE run=%0s", run_name);
            print_place(t, addr);
            $display(" expected=%0d actual=%0d cycle=%0d", $signed(memory.want_of(addr)), $signed(memory.byte_of(addr)),
                     at - bell);
        end
    endtask

    task problem;
        begin
            problems = problems + 1;
            run_problems = run_problems + 1;
        end
    endtask

    // ---- a file of the package: into memory, and its two sums against those in the script
    task load_file(input given);
        reg [31:0] addr, count;
        reg [63:0] plain, weighted, plain_want, weighted_want;
        integer n;
        begin
            n = $fscanf(script, "%s %h %d %h %h", file, addr, count, plain_want, weighted_want);
            if (n != 5 || addr + count * BEAT > (1 << BYTES_LOG2)) begin
                $display("FAIL malformed script, or a memory of %0d bytes is too small (BYTES_LOG2)", 1 << BYTES_LOG2);
                $fatal(1, "FAIL");
            end
            $sformat(path, "%0s/%0s", folder, file);
            memory.load(path, addr / BEAT, count, given);
            memory.sums(addr / BEAT, count, plain, weighted);
            if (plain !== plain_want || weighted !== weighted_want)
                damaged(addr, count, plain - plain_want, weighted - weighted_want);
        end
    endtask

    // plain and weighted: by how much the two sums are off
    task damaged(input [31:0] addr, input [31:0] count, input [63:0] plain, input [63:0] weighted);
        integer b, found;
        reg [63:0] part;
        reg [31:0] at;
        begin
            found = -1;
            for (b = 0; b < 32; b = b + 1) begin
                if (plain === (64'd1 << b)) found = b;
                if (plain === -(64'd1 << b)) begin
                    found = b;
                    weighted = -weighted;
                end
            end
            $write("DAMAGED FILE file=%0s", file);
            part = found < 0 ? 64'd0 : weighted >> found;
            if (found >= 0 && part >= 1 && part <= count * (DATA_WIDTH / 32)) begin
                at = addr + 4 * (part[31:0] - 1) + found / 8;
                $write(" address=0x%h bit=%0d", at, found % 8);
                if (tensor_at(at) >= 0) print_place(tensor_at(at), at);
                else $write(" offset=%0d", at - addr);
            end else $write(" more than one bit differs, or the file ends early");
            $display("");
            problem;
        end
    endtask

    // ---- a run
    task begin_run;
        integer n;
        begin
            n = $fscanf(script, "%s", run_name);
            runs = runs + 1;
            tensors = 0;
            run_problems = 0;
            watch_lo = 32'hffffffff;
            watch_hi = 0;
        end
    endtask

    task add_tensor;
        integer n;
        begin
            n = $fscanf(script, "%s %h %d %d %d %d %d", name, t_addr[tensors], t_rows[tensors], t_row_bytes[tensors],
                        t_pitch[tensors], t_width[tensors], t_channels[tensors]);
            t_name[tensors] = name;
            if (t_addr[tensors] < watch_lo) watch_lo = t_addr[tensors];
            if (t_addr[tensors] + t_rows[tensors] * t_pitch[tensors] > watch_hi)
                watch_hi = t_addr[tensors] + t_rows[tensors] * t_pitch[tensors];
            tensors = tensors + 1;
        end
    endtask

    task start(input [31:0] offset, input [31:0] limit);
        begin
            @(negedge clk) clear = 1'b1;
            @(negedge clk) clear = 1'b0;
            write_register(offset, 32'd1);
            $display("started run=%0s", run_name);
            $fflush;                                // whoever times the lines sees them as they come
            fork : waiting
                begin
                    if (irq !== 1'b1) @(posedge irq);
                    disable waiting;
                end
                begin
                    while (cycle < doorbell + (patience != 0 ? patience : limit)) #1000;
                    $display("HANG run=%0s no interrupt within %0d cycles of the doorbell", run_name, cycle - doorbell);
                    problem;
                    bell = doorbell;
                    if (wrong && tensor_at(wrong_addr) >= 0) divergence(tensor_at(wrong_addr), wrong_addr, wrong_cycle);
                    verdict;
                end
            join
            $display("interrupt run=%0s", run_name);
            $fflush;
            repeat (2) @(negedge clk);              // until `done` has taken the edge's cycle
            bell = doorbell;
            run_cycles = done - doorbell;
            cycles = cycles + run_cycles;
        end
    endtask

    task expect_register(input [31:0] offset, input [31:0] mask, input [31:0] value);
        begin
            read_register(offset);
            if ((answer & mask) !== value) begin
                $display("REGISTER run=%0s offset=0x%h expected=0x%h actual=0x%h mask=0x%h", run_name, offset, value,
                         answer & mask, mask);
                problem;
            end
        end
    endtask

    // All of memory below `count` bytes but [skip_lo, skip_hi), tensors first; then the sentence on the earliest byte.
    task compare(input [31:0] count, input [31:0] skip_lo, input [31:0] skip_hi);
        integer t, bad, first_t, stray;
        reg [31:0] a, first;
        begin
            first_t = -1;
            for (t = 0; t < tensors; t = t + 1) begin
                bad = 0;
                for (a = t_addr[t]; a < t_addr[t] + t_rows[t] * t_pitch[t]; a = a + 1)
                    if (memory.byte_of(a) !== memory.want_of(a)) begin
                        if (first_t < 0) begin
                            first_t = t;
                            first = a;
                        end
                        bad = bad + 1;
                    end
                compared = compared + t_rows[t] * t_row_bytes[t];
                if (bad != 0) $display("MISMATCH run=%0s tensor=%0s wrong_bytes=%0d of=%0d", run_name, t_name[t], bad,
                                       t_rows[t] * t_row_bytes[t]);
            end
            if (wrong && tensor_at(wrong_addr) >= 0) divergence(tensor_at(wrong_addr), wrong_addr, wrong_cycle);
            else if (first_t >= 0) divergence(first_t, first, done);
            if (first_t >= 0) problem;
            stray = 0;
            for (a = 0; a < count; a = a + BEAT)
                if (memory.words[a / BEAT] !== memory.want[a / BEAT] && tensor_at(a) < 0 && (a < skip_lo || a >= skip_hi))
                begin
                    if (stray == 0) $display("STRAY WRITE run=%0s address=0x%h", run_name, a);
                    stray = stray + 1;
                end
            if (stray != 0) problem;
            if (bus_on) begin
                bus.finish_run(run_name);
                @(negedge clk);
                if (bus_wrong != 0) problem;
            end
            bus_on = 1'b0;
            $display("%0s run=%0s cycles=%0d tensors=%0d", run_problems == 0 ? "ok" : "not ok", run_name, run_cycles,
                     tensors);
        end
    endtask

    task verdict;
        if (problems != 0 || runs == 0) begin
            $display("FAIL %0d problems in %0d runs", problems, runs);
            $fatal(1, "the design and the package differ");
        end else begin
            $display("PASS runs=%0d bytes=%0d cycles=%0d", runs, compared, cycles);
            $finish;
        end
    endtask

    // ---- the script
    integer script, n;
    reg [63:0] w0, w1;
    reg [31:0] a0, a1, a2;
    reg [DATA_WIDTH-1:0] value;
    reg going;
    initial begin
        if (!$value$plusargs("package=%s", folder)) folder = ".";
        if (!$value$plusargs("latency=%d", latency)) latency = 32;
        if ($value$plusargs("stall=%d", stall)) stall = stall * 65536 / 100;
        if (!$value$plusargs("timeout=%d", patience)) patience = 0;
        $sformat(path, "%0s/replay.txt", folder);
        script = $fopen(path, "r");
        n = script == 0 ? 0 : $fscanf(script, "%s %d %h %d", verb, a0, w0, a1);
        if (n != 4 || verb != "package" || a0 != 1 || a1 != BEAT) begin
            $display("FAIL %0s is no script of format 1 for a bus of %0d bytes", path, BEAT);
            $fatal(1, "FAIL");
        end
        repeat (4) @(negedge clk);
        reset = 1'b0;
        repeat (2) @(negedge clk);
        expect_hash(w0);
        going = 1'b1;
        while (going) begin
            n = $fscanf(script, "%s", verb);
            if (n != 1) begin
                $display("FAIL the script ends without `end`");
                $fatal(1, "FAIL");
            end
            step;
        end
        verdict;
    end

    task expect_hash(input [63:0] hash);
        begin
            read_register(32'h8);
            w1[31:0] = answer;
            read_register(32'hc);
            w1[63:32] = answer;
            if (w1 !== hash) begin
                $display("FAIL the package is for architecture %h, this design is %h", hash, w1);
                $fatal(1, "FAIL");
            end
        end
    endtask

    task step;
        begin
            if (verb == "run") begin_run;
            else if (verb == "fill") begin
                n = $fscanf(script, "%d %h", a0, value);
                memory.fill(a0 / BEAT, value);
            end
            else if (verb == "image") load_file(1'b1);
            else if (verb == "expect") load_file(1'b0);
            else if (verb == "tensor") add_tensor;
            else if (verb == "bus") begin
                n = $fscanf(script, "%s %h %h", file, a0, a1);
                $sformat(path, "%0s/%0s", folder, file);
                bus.open(path, a0, a1);
                bus_on = 1'b1;
            end
            else if (verb == "write") begin
                n = $fscanf(script, "%h %h", a0, a1);
                write_register(a0, a1);
            end
            else if (verb == "read") begin
                n = $fscanf(script, "%h %h %h", a0, a1, a2);
                expect_register(a0, a1, a2);
            end
            else if (verb == "start") begin
                n = $fscanf(script, "%h %d", a0, a1);
                start(a0, a1);
            end
            else if (verb == "compare") begin
                n = $fscanf(script, "%d %h %h", a0, a1, a2);
                compare(a0, a1, a2);
            end
            else if (verb == "end") going = 1'b0;
            else begin
                $display("FAIL unknown verb %0s in the script", verb);
                $fatal(1, "FAIL");
            end
        end
    endtask
endmodule
