// SPDX-License-Identifier: Apache-2.0
// Compares the accelerator's AXI4 bursts with the lists of a package at `bus` level: command fetches, loads and stores,
// each in its own order (how they interleave depends on the memory's timing). A list is text: `AR address len`,
// `AW address len`, `W data strobes last`, numbers in hexadecimal; its name is PREFIX fetch.txt, load.txt, store.txt.
module esl_golden_bus #(
    parameter DATA_WIDTH = 64,
    parameter ADDR_WIDTH = 32
) (
    input wire clk,
    input wire on,
    input wire [63:0] cycle,
    input wire [ADDR_WIDTH-1:0] araddr,
    input wire [7:0] arlen,
    input wire ar,
    input wire [ADDR_WIDTH-1:0] awaddr,
    input wire [7:0] awlen,
    input wire aw,
    input wire [DATA_WIDTH-1:0] wdata,
    input wire [DATA_WIDTH/8-1:0] wstrb,
    input wire wlast,
    input wire w,
    output reg [31:0] wrong
);
    localparam TEXT = 8 * 1024;
    localparam AHEAD = 64 * 96;         // most commands ever fetched beyond the end, in bytes
    integer fetches = 0, loads = 0, stores = 0, data = 0, got;
    reg [31:0] first = 0, last = 0;     // the command stream lies in [first, last); fetches may run ahead of its end
    reg [TEXT-1:0] path;
    reg [15:0] kind;
    reg [31:0] addr;
    reg [7:0] len;
    reg [DATA_WIDTH-1:0] beat, mask;
    reg [DATA_WIDTH/8-1:0] strb;
    reg ends;
    integer k;

    task open(input [TEXT-1:0] prefix, input [31:0] lo, input [31:0] hi);
        begin
            wrong = 0;
            first = lo;
            last = hi;
            $sformat(path, "%0sfetch.txt", prefix);
            fetches = $fopen(path, "r");
            $sformat(path, "%0sload.txt", prefix);
            loads = $fopen(path, "r");
            $sformat(path, "%0sstore.txt", prefix);
            stores = $fopen(path, "r");
            $sformat(path, "%0swdata.txt", prefix);
            data = $fopen(path, "r");
            next_load;
            if (fetches == 0 || loads == 0 || stores == 0 || data == 0) complain("list missing", 0);
        end
    endtask

    task complain(input [TEXT-1:0] what, input [31:0] at);
        begin
            if (wrong == 0) $display("BUS %0s: address=0x%h expected address=0x%h cycle=%0d", what, at, addr, cycle);
            wrong = wrong + 1;
        end
    endtask

    // Loads are read one ahead, because a fetch beyond the stream's end (END is only known when it arrives) may fall
    // where loads are, and is told from them by not being the next one.
    reg [31:0] load_addr;
    reg [7:0] load_len;
    reg more_loads;
    task next_load;
        begin
            got = $fscanf(loads, "%s %h %h", kind, load_addr, load_len);
            more_loads = got == 3;
        end
    endtask

    task check_load(input [31:0] at, input [7:0] length);
        begin
            if (more_loads && load_addr === at && load_len === length) next_load;
            else if (at >= last + AHEAD) begin
                addr = load_addr;
                complain(more_loads ? "load differs" : "load too many", at);
            end
        end
    endtask

    task check_address(input integer list, input [15:0] name, input [31:0] at, input [7:0] length);
        begin
            got = $fscanf(list, "%s %h %h", kind, addr, len);
            if (got != 3 || kind != name) complain("burst too many", at);
            else if (addr !== at || len !== length) complain("burst differs", at);
        end
    endtask

    task finish_run(input [TEXT-1:0] run);
        begin
            got = $fscanf(fetches, "%s %h %h", kind, addr, len);
            if (got == 3) complain("fetch missing", addr);
            addr = load_addr;
            if (more_loads) complain("load missing", addr);
            got = $fscanf(stores, "%s %h %h", kind, addr, len);
            if (got == 3) complain("store missing", addr);
            $fclose(fetches);
            $fclose(loads);
            $fclose(stores);
            $fclose(data);
        end
    endtask

    always @(posedge clk) if (on) begin
        if (ar) begin
            if (araddr >= last) check_load(araddr, arlen);
            else if (araddr >= first) check_address(fetches, "AR", araddr, arlen);
            else complain("read below the stream", araddr);
        end
        if (aw) check_address(stores, "AW", awaddr, awlen);
        if (w) begin
            got = $fscanf(data, "%s %h %h %h", kind, beat, strb, ends);
            for (k = 0; k < DATA_WIDTH / 8; k = k + 1) mask[8*k +: 8] = {8{wstrb[k]}};
            if (got != 4) complain("data beat too many", 0);
            else if (strb !== wstrb || ends !== wlast || ((beat ^ wdata) & mask) !== {DATA_WIDTH{1'b0}}) begin
                if (wrong == 0) $display("BUS data beat differs: data=%h strobes=%h last=%b expected %h %h %b cycle=%0d",
                                         wdata, wstrb, wlast, beat, strb, ends, cycle);
                wrong = wrong + 1;
            end
        end
    end
endmodule
