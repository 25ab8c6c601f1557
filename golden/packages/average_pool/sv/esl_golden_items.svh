// SPDX-License-Identifier: Apache-2.0
// The accesses of a `bus` package as sequence items: for UVM with +define+ESL_GOLDEN_UVM, as plain classes without.
// A reader gives the items of one list one by one; a sequence sends them, a scoreboard compares with them:
//
//     esl_golden_reader reader = new("bus/p0.v0.lite.txt");
//     while (reader.next(item)) ...
//
// The driver and monitor are the user's own: AXI4 masters and slaves differ from house to house.
`ifndef ESL_GOLDEN_ITEMS_SVH
`define ESL_GOLDEN_ITEMS_SVH

typedef enum { ESL_AR, ESL_AW, ESL_W, ESL_LITE_WRITE, ESL_LITE_READ, ESL_IRQ } esl_golden_kind_e;

`ifdef ESL_GOLDEN_UVM
class esl_golden_item extends uvm_sequence_item;
    `uvm_object_utils(esl_golden_item)
`else
class esl_golden_item;
`endif
    esl_golden_kind_e kind;
    bit [31:0] address;         // AR, AW: byte address; LITE: register offset
    bit [7:0] len;              // AR, AW: beats - 1
    bit [127:0] data;           // W: the beat; LITE: value written, or expected
    bit [15:0] strobes;         // W
    bit last;                   // W
    bit [31:0] mask;            // LITE_READ: bits that count

`ifdef ESL_GOLDEN_UVM
    function new(string name = "esl_golden_item");
        super.new(name);
    endfunction
`endif

    function bit same_as(esl_golden_item other);
        bit [127:0] bytes;
        if (kind != other.kind) return 0;
        case (kind)
            ESL_AR, ESL_AW: return address == other.address && len == other.len;
            ESL_W: begin
                for (int i = 0; i < 16; i++) bytes[8*i +: 8] = {8{strobes[i]}};
                return strobes == other.strobes && last == other.last && ((data ^ other.data) & bytes) == 0;
            end
            ESL_LITE_WRITE: return address == other.address && data == other.data;
            ESL_LITE_READ: return address == other.address && ((data ^ other.data) & mask) == 0;
            default: return 1;
        endcase
    endfunction
endclass

class esl_golden_reader;
    int file;

    function new(string path);
        file = $fopen(path, "r");
    endfunction

    // 0 at the end of the list. In lite.txt `W` and `R` are register accesses, in wdata.txt `W` is a data beat.
    function bit next(output esl_golden_item item);
        string line, word, register_name;
        bit [31:0] a, b, c;
        bit [127:0] wide;
        if (file == 0 || $fgets(line, file) == 0 || $sscanf(line, "%s", word) != 1) return 0;
        item = new();
        case (word)
            "AR", "AW": begin
                void'($sscanf(line, "%s %h %h", word, item.address, item.len));
                item.kind = word == "AR" ? ESL_AR : ESL_AW;
            end
            "R": begin
                void'($sscanf(line, "%s %h %h %h", word, item.address, item.mask, a));
                item.data = {96'd0, a};
                item.kind = ESL_LITE_READ;
            end
            "W": if ($sscanf(line, "%s %h %h %d", word, wide, b, c) == 4) begin
                item.kind = ESL_W;
                item.data = wide;
                item.strobes = b[15:0];
                item.last = c[0];
            end else begin
                void'($sscanf(line, "%s %h %h %s", word, item.address, a, register_name));
                item.data = {96'd0, a};
                item.kind = ESL_LITE_WRITE;
            end
            default: item.kind = ESL_IRQ;
        endcase
        return 1;
    endfunction
endclass

`endif
