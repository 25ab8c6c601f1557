// Tooltips that follow the pointer; without this script the browser shows the <title> of each shape.
(function () {
  var tip = document.getElementById("tip");
  document.querySelectorAll("svg title").forEach(function (title) {
    var owner = title.parentNode;
    if (owner.tagName === "svg") return;
    owner.setAttribute("data-tip", title.textContent);
    owner.removeChild(title);
  });
  document.addEventListener("mousemove", function (event) {
    var owner = event.target.closest && event.target.closest("[data-tip]");
    if (!owner) { tip.style.display = "none"; return; }
    tip.textContent = owner.getAttribute("data-tip");
    tip.style.display = "block";
    var x = Math.min(event.clientX + 14, window.innerWidth - tip.offsetWidth - 8);
    var y = event.clientY + 18;
    if (y + tip.offsetHeight > window.innerHeight) y = event.clientY - tip.offsetHeight - 10;
    tip.style.left = Math.max(4, x) + "px";
    tip.style.top = y + "px";
  });
})();
