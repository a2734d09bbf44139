package draw

// style is the one for all pictures. Each selector begins with the picture's
// class: inside an HTML page the rules hold for the whole page.
const style = `
.netrig-picture{--paper:#fff;--ink:#1b1f24;--soft:#59636e;--edge:#8c959f;--box:#f6f8fa;--bridge:#ddf4ff;--plug:#fff;--bad:#c4121f;--good:#1a7f37;--way0:#0550ae;--way1:#116329;--way2:#953800;--way3:#6639ba;
font:11px ui-monospace,"DejaVu Sans Mono","Liberation Mono",Menlo,Consolas,monospace}
@media (prefers-color-scheme:dark){.netrig-picture{--paper:#0d1117;--ink:#e6edf3;--soft:#9198a1;--edge:#6e7681;--box:#161b22;--bridge:#12304d;--plug:#21262d;--bad:#ff7b72;--good:#56d364;--way0:#79c0ff;--way1:#56d364;--way2:#ffa657;--way3:#d2a8ff}}
.netrig-picture text{fill:var(--ink);white-space:pre}
.netrig-picture .paper{fill:var(--paper)}
.netrig-picture .box{fill:var(--box);stroke:var(--edge)}
.netrig-picture .dead{fill:var(--box);stroke:var(--bad);stroke-width:2}
.netrig-picture .bridge{fill:var(--bridge);stroke:var(--edge)}
.netrig-picture .plug{fill:var(--plug);stroke:var(--edge)}
.netrig-picture .plug-bad{fill:var(--plug);stroke:var(--bad);stroke-dasharray:4 3}
.netrig-picture .head{font-weight:bold}
.netrig-picture .name{font-weight:bold}
.netrig-picture .soft{fill:var(--soft)}
.netrig-picture .bad{fill:var(--bad);font-weight:bold}
.netrig-picture .good{fill:var(--good);font-weight:bold}
.netrig-picture path{fill:none;stroke-linejoin:round}
.netrig-picture .cable{stroke:var(--edge);stroke-width:1.5}
.netrig-picture .cable-bad{stroke:var(--bad);stroke-width:1.5;stroke-dasharray:5 4}
.netrig-picture .life{stroke:var(--edge);stroke-dasharray:2 3}
.netrig-picture .rule{stroke:var(--edge)}
.netrig-picture .cross{stroke:var(--bad);stroke-width:3}
.netrig-picture .plain{stroke:var(--soft);stroke-width:1.3}
.netrig-picture .tip-plain{fill:var(--soft)}
.netrig-picture .halo{stroke:var(--paper);stroke-width:4;paint-order:stroke;stroke-linejoin:round}
.netrig-picture .way0{stroke:var(--way0);stroke-width:2.5}
.netrig-picture .way1{stroke:var(--way1);stroke-width:2.5;stroke-dasharray:9 3}
.netrig-picture .way2{stroke:var(--way2);stroke-width:2.5;stroke-dasharray:3 3}
.netrig-picture .way3{stroke:var(--way3);stroke-width:2.5;stroke-dasharray:9 3 2 3}
.netrig-picture .tip0,.netrig-picture .say0{fill:var(--way0)}
.netrig-picture .tip1,.netrig-picture .say1{fill:var(--way1)}
.netrig-picture .tip2,.netrig-picture .say2{fill:var(--way2)}
.netrig-picture .tip3,.netrig-picture .say3{fill:var(--way3)}
@media print{.netrig-picture{--paper:#fff;--ink:#000;--box:#fff;--plug:#fff}}
`
