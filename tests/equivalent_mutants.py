"""Changes of the reference solutions that say the same in another way, each with its reason.

`tests/test_mutants.py` holds the list to what `tools/mutants.py` finds: whatever a check calls
right must stand here, and whatever stands here must be called right. By function, so that the
numbers of exercises may change.
"""

# ruff: noqa: E501

EQUIVALENT: dict[str, dict[str, list[str]]] = {
    "epsilon_greedy": {
        "a draw is exactly ε once in millions, and never for ε = 0 or 1 in a way that shows": [
            "explore = torch.rand(rows, generator=rng) <= epsilon",
        ],
    },
    "q_update": {
        "`new` still holds the old value there": [
            "new[s, a] += learning_rate * (target - new[s, a])",
        ],
    },
    "policy_evaluation": {
        "0 and 1 are exact in float32, and the difference is float64 again": [
            "identity = torch.eye(len(r))",
        ],
        "all of these count the states, and all are float64": [
            "identity = torch.eye(len(P), dtype=P.dtype)",
            "identity = torch.eye(len(P_policy), dtype=P.dtype)",
            "identity = torch.eye(len(policy), dtype=P.dtype)",
            "identity = torch.eye(len(r_policy), dtype=P.dtype)",
            "identity = torch.eye(len(r), dtype=P_policy.dtype)",
            "identity = torch.eye(len(r), dtype=policy.dtype)",
            "identity = torch.eye(len(r), dtype=r.dtype)",
            "identity = torch.eye(len(r), dtype=r_policy.dtype)",
        ],
    },
    "dqn_loss": {
        "with one row y has shape (1,), and a number is broadcast to it": [
            "q_taken = q_network(batch['observation']).gather(1, batch['action'].unsqueeze(1)).squeeze()",
        ],
        "a square has no sign": [
            "return 0.5 * ((q_taken - y) ** 2).mean()",
        ],
    },
    "update_target": {
        "the pairs may come in any order": [
            "for slow, fast in reversed(list(pairs)):",
        ],
        "both networks have equally many parameters": [
            "pairs = zip(target_network.parameters(), q_network.parameters())",
            "pairs = zip(target_network.parameters(), q_network.parameters(), strict=False)",
        ],
        "under no_grad a detached tensor shares its memory, and no gradient is kept": [
            "detached(slow.mul_(1 - rate).add_(rate * fast))",
            "detached(slow.mul_(1 - rate)).add_(rate * fast)",
            "slow.mul_(1 - rate).add_(rate * detached(fast))",
            "detached(slow).mul_(1 - rate).add_(rate * fast)",
        ],
    },
    "real_steps": {
        "all three have one shape": [
            "first = torch.ones_like(terminated[:1])",
            "first = torch.ones_like(truncated[:1])",
        ],
    },
    "double_target": {
        "with one row a number is broadcast to (1,)": [
            "next_value = target_q.gather(1, best).squeeze()",
        ],
    },
    "n_step_targets": {
        "a list of numbers is as good as a tensor": [
            "return targets",
        ],
        "all of them have one length; min does not care for the order": [
            "for start in range(len(next_value)):",
            "for start in range(len(terminated)):",
            "for start in range(len(truncated)):",
            "for t in range(start, min(len(reward), start + n)):",
            "for t in range(start, min(start + n, len(next_value))):",
            "for t in range(start, min(start + n, len(terminated))):",
            "for t in range(start, min(start + n, len(truncated))):",
        ],
    },
    "priorities": {
        "what is the same for all rows falls out when the weights are divided by the greatest": [
            "weight = probability ** (-beta)",
            "weight = (len(td_error) * power) ** (-beta)",
            "weight = (len(power) * probability) ** (-beta)",
            "weight = (len(probability) * probability) ** (-beta)",
        ],
    },
    "optimal_discriminator": {
        "probabilities are not below 0": [
            "return torch.where(total != 0, p / total, 0.5)",
        ],
    },
    "gan_round": {
        "zero_grad clears what D's loss leaves in G before G's own backward()": [
            "fake = generator(noise)",
            "fake = detached(generator(noise)).detach()",
        ],
        "an optimizer holds the same weights as its network": [
            "discriminator.zero_grad()",
            "generator.zero_grad()",
        ],
        "all of these have one row a real sample": [
            "noise = torch.randn(len(fake), generator.noise_size)",
            "noise = torch.randn(len(noise), generator.noise_size)",
        ],
        "a Python number has no gradient": [
            "return (detached(d_loss).item(), g_loss.item())",
            "return (d_loss.item(), detached(g_loss).item())",
        ],
    },
    "count_modes": {
        "centres that are left out, or too many, have no points, and `least` is 1 or more": [
            "counts = torch.bincount(nearest[good])",
            "counts = torch.bincount(nearest[good], minlength=len(distance))",
            "counts = torch.bincount(nearest[good], minlength=len(good))",
            "counts = torch.bincount(nearest[good], minlength=len(nearest))",
            "counts = torch.bincount(nearest[good], minlength=len(points))",
        ],
        "a tensor with one number is as good as a number": [
            "return ((counts >= least).sum(), good.float().mean().item())",
            "return (int((counts >= least).sum()), good.float().mean())",
        ],
    },
    "r1": {
        "True is the default": [
            "real = real.detach().requires_grad_()",
        ],
    },
    "frechet_diagonal": {
        "a square has no sign": [
            "shift = (mean_2 - mean_1) ** 2",
            "spread = (var_2.sqrt() - var_1.sqrt()) ** 2",
        ],
    },
    "entropy_of_classes": {
        "float32 is exact enough": [
            "share = torch.bincount(classes, minlength=10) / len(classes)",
        ],
        "shares are not below 0": [
            "share = share[share != 0]",
        ],
        "a tensor with one number is as good as a number": [
            "return -(share * share.log()).sum()",
        ],
        "classes that are left out have no share, and shares of 0 are left out": [
            "share = torch.bincount(classes).double() / len(classes)",
            "share = torch.bincount(classes, minlength=11).double() / len(classes)",
            "share = torch.bincount(classes, minlength=9).double() / len(classes)",
            "share = torch.bincount(classes, minlength=20).double() / len(classes)",
            "share = torch.bincount(classes, minlength=0).double() / len(classes)",
            "share = torch.bincount(classes, minlength=1).double() / len(classes)",
            "share = torch.bincount(classes, minlength=2).double() / len(classes)",
            "share = torch.bincount(classes, minlength=3).double() / len(classes)",
        ],
    },
    "spherical_point": {
        "at so small an angle line and circle agree in float32": [
            "if angle <= 0.0001:",
            "if angle < 0.0002:",
            "if angle < 5e-05:",
        ],
        "the product does not care for the order": [
            "cosine = end @ start / (start.norm() * end.norm())",
        ],
        "a cosine below −1 belongs to opposite vectors, which are not allowed": [
            "angle = cosine.clamp(max=1).acos()",
            "angle = cosine.clamp(-2, 1).acos()",
            "angle = cosine.clamp(-3, 1).acos()",
        ],
    },
    "wasserstein_equal": {
        "a tensor with one number is as good as a number": [
            "return (x.sort().values - y.sort().values).abs().mean()",
        ],
        "a way has no sign": [
            "return (y.sort().values - x.sort().values).abs().mean().item()",
        ],
    },
    "wasserstein_weighted": {
        "a tensor with one number is as good as a number": [
            "return (difference[:-1].abs() * places.diff()).sum()",
        ],
        "a row has one dimension": [
            "difference = torch.cat([p, -q])[order].cumsum(-1)",
        ],
    },
    "greatest_stretch": {
        "the loop does not use its number": [
            "for _ in reversed(list(range(steps))):",
        ],
        "the length of the start falls out when u is divided by its own": [
            "v = start * start.norm()",
            "v = start",
            "v = start / start.sum()",
            "v = start / weight.norm()",
        ],
        "a tensor with one number is as good as a number": [
            "return u @ (weight @ v)",
        ],
        "the product does not care for the order": [
            "return (weight @ v @ u).item()",
        ],
    },
    "my_gradient_penalty": {
        "True is the default": [
            "between = (share * real + (1 - share) * fake).detach().requires_grad_()",
        ],
        "real and fake come without a gradient": [
            "between = (share * real + (1 - share) * fake).requires_grad_(True)",
        ],
        "a square has no sign": [
            "return (1 - gradient.flatten(1).norm(dim=1)).square().mean()",
        ],
        "real and fake have one shape": [
            "share = share.reshape(-1, *[1] * (fake.dim() - 1))",
        ],
    },
    "my_r1": {
        "True is the default": [
            "real = real.clone().requires_grad_()",
        ],
    },
    "mended_round": {
        "True is the default": [
            "at_real = real.clone().requires_grad_()",
        ],
        "there is one gradient": [
            "slope = torch.autograd.grad(discriminator(at_real).sum(), at_real, create_graph=True)[-1]",
        ],
        "what step 1 leaves in the generator's gradients is cleared before step 2 uses them": [
            "fake = generator(noise)",
            "fake = detached(generator(noise)).detach()",
        ],
        "each optimizer has all weights of its network, and no others": [
            "discriminator.zero_grad()",
            "generator.zero_grad()",
        ],
        "the same numbers": [
            "loss = softplus(-discriminator(at_real)).mean() + softplus(discriminator(fake)).mean()",
        ],
    },
    "chase": {
        "a tensor's entries are as good as numbers, and a list as a tensor": [
            "for reward in rewards:",
            "return history",
        ],
    },
    "reached": {
        "the networks may be asked in any order": [
            "for name, network in reversed(list(networks.items())):",
        ],
        "every network has a weight that can be trained": [
            "if loss.requires_grad:",
        ],
        "none of these is ever empty": [
            "if loss.requires_grad and counts:",
            "if loss.requires_grad and name:",
            "if loss.requires_grad and network:",
            "if loss.requires_grad and networks:",
        ],
    },
    "bit_identical": {
        "the names of both are equal by then": [
            "return a.keys() == b.keys() and all((a[name].shape == b[name].shape and a[name].dtype == b[name].dtype and (a[name].detach().numpy().tobytes() == b[name].detach().numpy().tobytes()) for name in b))",
        ],
        "the tensors of a state dict carry no gradient": [
            "return a.keys() == b.keys() and all((a[name].shape == b[name].shape and a[name].dtype == b[name].dtype and (a[name].numpy().tobytes() == b[name].detach().numpy().tobytes()) for name in a))",
            "return a.keys() == b.keys() and all((a[name].shape == b[name].shape and a[name].dtype == b[name].dtype and (a[name].detach().numpy().tobytes() == b[name].numpy().tobytes()) for name in a))",
        ],
    },
    "log_q_shown": {
        "ε is from 0 to 1": [
            "if epsilon <= 0:",
            "if epsilon >= 1:",
        ],
        "the order of two terms does not matter": [
            "return torch.logaddexp(anything, log_pi + math.log1p(-epsilon))",
        ],
        "both have one shape and type": [
            "anything = torch.full_like(q_values, math.log(epsilon / actions))",
            "actions = log_pi.shape[1]",
        ],
    },
    "graph_values": {
        "parents may be counted in any order": [
            "for row in reversed(list(children)):",
            "for child in reversed(list(row)):",
        ],
        "all of them have one entry a state": [
            "parents = [0] * len(reward)",
            "for state in reversed(range(len(parents))):",
            "for state in reversed(range(len(reward))):",
            "for state in reversed(range(len(values))):",
        ],
        "a row has one dimension": [
            "values[state] = torch.logsumexp(torch.stack([reward[state], *ways]), -1)",
        ],
        "the order of the terms does not matter": [
            "values[state] = torch.logsumexp(torch.stack([*ways, reward[state]]), 0)",
        ],
        "the value of a state is its reward until it is set": [
            "values[state] = torch.logsumexp(torch.stack([values[state], *ways]), 0)",
        ],
    },
    "nearest_patches": {
        "a square has no sign": [
            "differences = codebook[None] - patches[:, None]",
        ],
        "broadcasting puts the dimension in front by itself": [
            "differences = patches[:, None] - codebook",
        ],
        "all sums are over equally many pixels": [
            "return differences.square().mean(2).argmin(1)",
        ],
    },
    "sharpened": {
        "a temperature is not below 0": [
            "if temperature <= 0:",
        ],
        "whole numbers 0 and 1 are equal to 0.0 and 1.0": [
            "return torch.nn.functional.one_hot(q_values.argmax(1), q_values.shape[1])",
            "return torch.nn.functional.one_hot(q_values.argmax(1), q_values.shape[1]).int()",
        ],
    },
    "log_orders": {
        "a tensor's entries are as good as numbers": [
            "return math.lgamma(len(actions) + 1) - sum((math.lgamma(n + 1) for n in counts))",
        ],
    },
    "reward_map": {
        "a square has no sign": [
            "return scale * ((original - before) ** 2 - (after - original) ** 2).squeeze(1)",
            "return scale * ((before - original) ** 2 - (original - after) ** 2).squeeze(1)",
        ],
    },
    "oracle_actions": {
        "|x| is least where x² is": [
            "return (results - original).abs().argmin(1)",
        ],
        "a square has no sign": [
            "return (original - results).square().argmin(1)",
        ],
    },
    "map_targets": {
        "true and false multiply like 1 and 0": [
            "going_on = (~terminated).view(-1, 1, 1)",
            "going_on = (~terminated).int().view(-1, 1, 1)",
        ],
    },
    "neighbour_targets": {
        "true and false multiply like 1 and 0": [
            "return reward + discount * (~terminated).view(-1, 1, 1) * mixed",
            "return reward + discount * (~terminated).int().view(-1, 1, 1) * mixed",
        ],
    },
    "relax": {
        "a sum does not care which of two neighbours is called which": [
            "above, below = (extended[..., 2:, 1:-1], extended[..., :-2, 1:-1])",
            "left, right = (extended[..., 1:-1, 2:], extended[..., 1:-1, :-2])",
        ],
    },
    "nearest_by_known": {
        "a square has no sign": [
            "error = (training - picture.unsqueeze(1)) ** 2",
        ],
        "the pictures have one channel, so that both places of the new dimension are alike": [
            "error = (picture.unsqueeze(2) - training) ** 2",
            "return (error * ~mask.unsqueeze(2)).flatten(2).sum(2).argmin(1)",
        ],
        "all sums are over equally many pixels": [
            "return (error * ~mask.unsqueeze(1)).flatten(2).mean(2).argmin(1)",
        ],
    },
    "critic_bonus": {
        "both observations hold the same mask": [
            "return weight * rise * next_observation[:, 2]",
        ],
    },
    "uphill": {
        "True is the default": [
            "z = noise.detach().clone().requires_grad_()",
        ],
        "the length of the gradient falls out": [
            "asked = log_probability(z).gather(1, target.unsqueeze(1)).mean()",
        ],
        "the noise comes without a gradient, and is not written into": [
            "z = noise.detach().requires_grad_(True)",
            "z = noise.clone().requires_grad_(True)",
        ],
    },
    "may_train": {
        "a distance has no sign": [
            "return ((held_out_z_mm[None] - z_mm[:, None]).abs() > gap_mm).all(1)",
        ],
        "broadcasting puts the dimension in front by itself": [
            "return ((z_mm[:, None] - held_out_z_mm).abs() > gap_mm).all(1)",
        ],
    },
    "one_pixel": {
        "a sum may be made in any order": [
            "for y in reversed(list(range(row - distance, row + distance + 1))):",
            "for x in reversed(list(range(column - distance, column + distance + 1))):",
        ],
        "a square has no sign": [
            "return -noisy[y - half:y + half + 1, x - half:x + half + 1]",
            "unlike = (patch(row, column) - patch(y, x)).square().mean() - 2 * sigma ** 2",
        ],
        "a tensor with one number is as good as a number; max does not care for the order": [
            "total += weight * noisy[y, x]",
            "weight = math.exp(-max(unlike.item(), 0.0) / h ** 2)",
            "weight = math.exp(-max(0.0, unlike) / h ** 2)",
        ],
    },
    "all_action_loss": {
        "a square has no sign": [
            "reward = scale * ((original - picture).square() - (results - original).square())",
            "reward = scale * ((picture - original).square() - (original - results).square())",
            "return 0.5 * (q_values - reward).square().mean()",
        ],
    },
    "four_numbers": {
        "two sets may be joined in either order": [
            "return {'real on real': score(on_real, test), 'TSTR': score(train(synthetic), test), 'TRTS': score(on_real, synthetic), 'few + synthetic': score(train(joined(synthetic, few)), test)}",
        ],
    },
    "palette_colour": {
        "all means are over three channels": [
            "distance = (wanted[:, None] - palette).square().mean(2)",
        ],
        "a square has no sign": [
            "distance = (palette - wanted[:, None]).square().sum(2)",
        ],
    },
    "tuned_log_policy": {
        "of two dimensions softmax takes the last by itself": [
            "return log_softmax(log_q + reward / alpha)",
        ],
    },
    "train_step": {
        "the optimizer has all weights of the network, and no others": [
            "network.zero_grad()",
        ],
        "a number carries no gradient": [
            "return detached(loss).item()",
        ],
    },
    "both_losses": {
        "the target is detached as a whole, and log q of the sampler carries no gradient": [
            "target = detached(log_softmax(own_log_q + own_f, 1)).detach()",
            "target = log_softmax(detached(own_log_q + own_f), 1).detach()",
            "target = log_softmax(own_log_q + detached(own_f), 1).detach()",
        ],
    },
    "opinions_with_eraser": {
        "slope, masks and canvas have one width, slope and actions one length": [
            "canvas = torch.zeros(len(slope), masks.shape[1])",
            "canvas = torch.zeros(len(actions), slope.shape[1])",
        ],
        "a blank canvas is the same for all drawings, and broadcast": [
            "canvas = torch.zeros(masks.shape[1])",
        ],
        "0 and 1 times a float are floats": [
            "colour = (~white).int()",
        ],
    },
}
