// SPDX-License-Identifier: Apache-2.0
// Plays the vectors of a unit package (requantiser, line buffer and window, array) on module `esl_unit`:
//     module esl_unit(input clk, input rst, input [IN_WIDTH-1:0] in, output [OUT_WIDTH-1:0] out);
// One line of stimulus.hex per cycle; +delay=N cycles later the bits of `out` that care.hex sets must be those of
// expected.hex. unit.json says which bits are which field. +package=DIR is the folder with the files.
`timescale 1ns / 1ps

module esl_golden_unit_tb #(
    parameter IN_WIDTH = 1,
    parameter OUT_WIDTH = 1,
    parameter LINES = 1
);
    reg clk = 1'b0, rst = 1'b1;
    always #5 clk = !clk;
    reg [IN_WIDTH-1:0] stimulus [0:LINES-1];
    reg [OUT_WIDTH-1:0] expected [0:LINES-1], care [0:LINES-1];
    reg [IN_WIDTH-1:0] in = 0;
    wire [OUT_WIDTH-1:0] out;
    reg [8*1024-1:0] folder, path;
    integer delay, i, bad = 0;
    esl_unit unit (.clk(clk), .rst(rst), .in(in), .out(out));

    initial begin
        if (!$value$plusargs("package=%s", folder)) folder = ".";
        if (!$value$plusargs("delay=%d", delay)) delay = 0;
        $sformat(path, "%0s/stimulus.hex", folder);
        $readmemh(path, stimulus);
        $sformat(path, "%0s/expected.hex", folder);
        $readmemh(path, expected);
        $sformat(path, "%0s/care.hex", folder);
        $readmemh(path, care);
        repeat (4) @(negedge clk);
        rst = 1'b0;
        for (i = 0; i < LINES + delay; i = i + 1) begin
            @(negedge clk) in = i < LINES ? stimulus[i] : {IN_WIDTH{1'b0}};
            #1 if (i >= delay && ((out ^ expected[i - delay]) & care[i - delay]) !== {OUT_WIDTH{1'b0}}) begin
                if (bad == 0) $display("FIRST DIVERGENCE line=%0d stimulus=%h expected=%h actual=%h care=%h", i - delay + 1,
                                       stimulus[i - delay], expected[i - delay], out, care[i - delay]);
                bad = bad + 1;
            end
        end
        if (bad != 0) begin
            $display("FAIL %0d of %0d lines", bad, LINES);
            $fatal(1, "the unit and the package differ");
        end
        $display("PASS lines=%0d", LINES);
        $finish;
    end
endmodule
